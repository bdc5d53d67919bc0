"""Representations of speech: audio encoded into latents, and latents derived from other latents."""
