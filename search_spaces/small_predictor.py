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
