"""Latents on their way from Arrow batches to windows on a device."""
