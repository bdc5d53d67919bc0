"""Records that are written and read again: journal, lanes, evidence, seal, run folders."""
