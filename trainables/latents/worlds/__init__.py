"""Processes whose best possible prediction is known: the truth behind the control latents."""
