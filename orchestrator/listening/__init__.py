"""Listening tests: what people are asked to hear, and what becomes of their answers."""
