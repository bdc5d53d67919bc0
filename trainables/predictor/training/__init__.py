"""The training loop of a pack."""
