"""Representations derived from others by linear maps that are fitted on training speakers alone."""
