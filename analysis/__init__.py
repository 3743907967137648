"""Run directories to numbers and figures. Needs no model, no network and no training code."""
