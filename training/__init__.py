"""Training: settings, optimizers, the loop, checkpoints and the record of a run."""
