"""distill/training: say here what is in this room and in which file."""
