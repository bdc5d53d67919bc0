"""Representations derived from others by maps that are fitted on training speakers alone."""
