"""The codecs that turn audio into latents and back, one file each; ``codec_registry`` finds them by name."""
