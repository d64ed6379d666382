"""Studies of a bench."""
