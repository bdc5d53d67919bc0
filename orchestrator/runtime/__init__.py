"""Ray, files, hashes and the terminal: what everything else stands on."""
