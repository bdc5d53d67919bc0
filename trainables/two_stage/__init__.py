"""Directions of a rollout first, magnitudes afterwards, against both in one stage."""
