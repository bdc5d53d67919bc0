"""Settings of a correction by the score, or of teaching by it, that take a second."""

from typing import Any

SMALL_SCORE: dict[str, Any] = {
    "context": 5,
    "horizon": 8,
    "samples": 2,
    "predictor_width": 6,
    "predictor_epochs": 1,
    "score_width": 8,
    "score_batch": 32,
}
