"""The command by which winners continue any audio, or latents."""
