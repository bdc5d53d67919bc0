"""The command that writes a file to begin with: a study, a head or a codec."""
