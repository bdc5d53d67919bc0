"""Closer inspection of data and models, which no criterion asks for."""
