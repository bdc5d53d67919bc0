"""Settings that studies of small predictors share."""

from __future__ import annotations

from collections.abc import Mapping

# A recurrent predictor that trains in seconds on a core.
SMALL_PREDICTOR: Mapping[str, str | int] = {
    "backbone": "gru",
    "width": 64,
    "depth": 1,
    "context": 16,
    "horizon": 16,
    "batch": 32,
    "steps": 90,
}

# What follows where nothing is decided. An arm that loses to ridge regression says nothing of the hypothesis.
UNDECIDED = (
    "Do as the reason says: add test speakers or replicates where the interval is too wide, and train longer "
    "where an arm loses to ridge regression."
)

# What such a budget cannot settle, for the words that follow a verdict.
TOO_SMALL = (
    "It settles what a small model reaches in hundreds to thousands of optimiser steps: the literature sees "
    "the quality of sampled heads and of rollouts rise only after 100,000 steps and more (Continuous audio "
    "language models, 2025: 150,000 to 200,000), which this budget cannot see and does not rule out."
)
