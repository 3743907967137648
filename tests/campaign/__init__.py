"""Kills, signals, full disks, damaged files and Hub faults at random, by hand: `python -m tests.campaign`."""
