"""Many lanes trained at once as stacked parameters."""
