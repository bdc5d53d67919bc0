"""A winner as MLflow runs it: latents in, the latents that follow out.

MLflow copies this file beside the exported predictor and runs it where the model is loaded: nothing is ever
unpickled. This package has to be installed there, Ray and Optuna need not be.

Shapes: T frames of context, K frames of continuation, D latent dimensions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

ARTIFACT = "predictor"  # the exported folder
# What a caller may ask for beside the context, with the defaults; an empty feedback, and a temperature of 0,
# are those that the predictor was judged with, and 0 frames read are all.
QUESTIONS: dict[str, Any] = {
    "frames": 50,
    "name": "context",
    "seed": 0,
    "reads": 0,
    "feedback": "",
    "temperature": 0.0,
}


class WinnerModel(PythonModel):
    """Continues latents by an exported predictor."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the exported folder among the model's artifacts."""
        from trainables.predictor.exported import load_predictor  # here: it loads torch

        self._predictor = load_predictor(context.artifacts[ARTIFACT])

    def predict(
        self, context: PythonModelContext, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> np.ndarray:
        """The latents [K, D] that follow on a context [T, D], both in the codec's units.

        Args:
            context: of MLflow.
            model_input: the context.
            params: some of ``QUESTIONS``; what they mean is said at
                :meth:`~trainables.predictor.exported.ExportedPredictor.continue_latents`.
        """
        asked = {**QUESTIONS, **(params or {})}
        frames = int(asked.pop("frames"))
        for name in ("reads", "feedback", "temperature"):
            asked[name] = asked[name] or None
        return self._predictor.continue_latents(np.asarray(model_input), frames, **asked)


set_model(WinnerModel())
