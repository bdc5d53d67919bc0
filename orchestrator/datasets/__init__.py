"""The latents that a sweep runs on: opened, checked, described and streamed through Ray Data."""
