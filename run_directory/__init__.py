"""A run is a directory: its files, its config, its records, its checkpoints. The only reader and writer of them."""
