"""Training: settings, optimisers, the loop, checkpoints and the record of a run."""
