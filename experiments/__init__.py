"""Experiments: the sweep runner, and one folder for each experiment. Has no training code of its own."""
