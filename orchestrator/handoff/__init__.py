"""Winners handed on: out of a run folder, into a folder of their own that needs no run."""
