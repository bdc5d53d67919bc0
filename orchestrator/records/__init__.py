"""What is written down and read again: journal, lanes, evidence, seal, run folders."""
