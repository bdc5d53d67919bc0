"""Audio into latents, and latents into other latents."""
