"""Models: GPT-2 presets and the training objective. Stock transformers classes only."""
