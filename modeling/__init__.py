"""Models: families, presets and the training objective. Stock transformers classes only."""
