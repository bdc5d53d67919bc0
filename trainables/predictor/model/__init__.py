"""Backbones, the predictor, its rollout and its losses."""
