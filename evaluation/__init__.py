"""Knowledge metrics: what a model knows about individuals, read off its value predictions."""
