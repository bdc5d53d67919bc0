"""Latents on disk."""
