"""Run sweeps, collect their results, judge their claims. Has no training code of its own."""
