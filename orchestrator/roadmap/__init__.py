"""Which studies the verdicts of others open, and the way through them."""
