"""The command that writes a winner into a folder of its own."""
