"""Knowledge distillation of linear optical networks: data, losses, training, evaluation, export, verification, the CLI."""
