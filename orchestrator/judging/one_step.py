"""Why a one-step cosine proves nothing, with this run's own numbers.

For frames that are independent in time the best one-step prediction is delta = mean - z_t, and its direction
cosine is 1/sqrt(2) = 0.707 although the past says nothing. What the past does say is the
predictive information.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.judging.measures import Measures
from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.units import bits_per_second
from orchestrator.statistics.wording import number, spelled
from trainables.latents.batching.surrogates import SURROGATES, Surrogate


@dataclass(frozen=True)
class OneStep:
    """One arm, one step ahead, on real frames and on both surrogates (None where not measured)."""

    arm: str
    cosine: dict[Surrogate, Interval | None]
    information: dict[Surrogate, Interval | None]  # nats per frame
    bits_per_second: float | None
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "cosine": {name: found.to_json() if found else None for name, found in self.cosine.items()},
            "predictive_information": {
                name: found.to_json() if found else None for name, found in self.information.items()
            },
            "bits_per_second": self.bits_per_second,
            "sentence": self.sentence,
        }


def one_step(arm: str, measures: Measures, frame_rate: float) -> OneStep:
    """The passage on one arm."""
    cosine = {s: measures.value(arm, "one_step_cosine", surrogate=s) for s in SURROGATES}
    if cosine[Surrogate.REAL] is None:
        cosine = {s: measures.value(arm, "cos@1", surrogate=s) for s in SURROGATES}
    information = {s: measures.value(arm, "predictive_information", surrogate=s) for s in SURROGATES}
    found = information[Surrogate.REAL]
    bits = None if found is None else bits_per_second(found.estimate, frame_rate)
    sentences = (
        _on_cosine(arm, cosine[Surrogate.REAL], cosine[Surrogate.WHITE]),
        _on_information(
            found, information[Surrogate.WHITE], measures.excess(arm, "predictive_information"), bits
        ),
    )
    return OneStep(arm, cosine, information, bits, " ".join(s for s in sentences if s))


def _on_cosine(arm: str, real: Interval | None, white: Interval | None) -> str:
    if real is None:
        return f"The one-step cosine of the {arm} arm was not measured."
    said = f"One step ahead, the direction cosine of the {arm} arm is {spelled(real)}"
    if white is None:
        return f"{said}; frames without any memory would give 0.707 (1/√2) by formula, and were not run."
    null = f"and frames without any memory give {spelled(white)}"
    if real.low > white.high:
        return (
            f"{said}, {null}: only what exceeds that, {number(real.estimate - white.estimate)}, is evidence."
        )
    if real.high < white.low:
        return f"{said}, {null}: frames that can be predicted may well score lower than noise that cannot."
    return f"{said}, {null} too: the cosine alone is no evidence that anything was predicted."


def _on_information(
    real: Interval | None, white: Interval | None, excess: Interval | None, bits: float | None
) -> str:
    if real is None or bits is None:
        return "Its predictive information was not measured."
    said = (
        f"What its past tells it about the next frame is {spelled(real)} nats per frame, "
        f"or {number(bits)} bits per second of audio"
    )
    against = f" (without memory: {spelled(white)} nats)" if white else ""
    if real.low <= 0 or (excess is not None and excess.low <= 0):
        return f"{said}{against}: no more than nothing, as far as this run can tell."
    return f"{said}{against}."
