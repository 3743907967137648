"""Sweeps of runs, and one folder for each experiment: what was asked, how, and what was found."""
