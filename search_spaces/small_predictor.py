"""Settings that studies of small predictors share, and what follows where no conclusion may be drawn."""

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
    "steps": 50,
}
DRAW_NO_CONCLUSION = "Draw no conclusion. Mend what the reason names and run the study again."
