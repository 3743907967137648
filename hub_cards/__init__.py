"""Sharing: cards, and publishing runs and datasets to the Hugging Face Hub. Reads run directories, nothing else."""
