"""Why a one-step cosine alone proves nothing, with the numbers of the run.

For frames that are independent in time the best one-step prediction is delta = mean - z_t, and its direction
cosine is 1/sqrt(2) = 0.707 although the past says nothing. What the past does say is measured by
the predictive information.
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
    """One arm's scores one step ahead, on real frames and on both surrogates; None where not measured."""

    arm: str
    cosine: dict[Surrogate, Interval | None]
    information: dict[Surrogate, Interval | None]  # nats per frame
    marginal: str  # the density without a past that information on real frames is against, in words
    bits_per_second: float | None
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """The scores and their sentence as plain data."""
        return {
            "cosine": {
                name: interval.to_json() if interval else None for name, interval in self.cosine.items()
            },
            "predictive_information": {
                name: interval.to_json() if interval else None for name, interval in self.information.items()
            },
            "marginal": self.marginal,
            "bits_per_second": self.bits_per_second,
            "sentence": self.sentence,
        }


def one_step(arm: str, measures: Measures, frame_rate: float) -> OneStep:
    """What one arm reaches one step ahead of frames at ``frame_rate`` Hz, with a sentence that reads it."""
    cosine = {s: measures.value(arm, "one_step_cosine", surrogate=s) for s in SURROGATES}
    if cosine[Surrogate.REAL] is None:
        cosine = {s: measures.value(arm, "cos@1", surrogate=s) for s in SURROGATES}
    information = {s: measures.value(arm, "predictive_information", surrogate=s) for s in SURROGATES}
    real = information[Surrogate.REAL]
    bits = None if real is None else bits_per_second(real.estimate, frame_rate)
    marginal, excess = measures.marginal(arm), measures.excess(arm, "predictive_information")
    sentences = (
        _on_cosine(arm, cosine[Surrogate.REAL], cosine[Surrogate.WHITE]),
        _on_information(real, information[Surrogate.WHITE], excess, bits, marginal),
    )
    return OneStep(arm, cosine, information, marginal, bits, " ".join(s for s in sentences if s))


def _on_cosine(arm: str, real: Interval | None, white: Interval | None) -> str:
    if real is None:
        return f"The one-step cosine of the {arm} arm was not measured."
    statement = f"One step ahead, the direction cosine of the {arm} arm is {spelled(real)}"
    if white is None:
        return f"{statement}; shuffled frames would give 0.707 (1/√2) by formula, and were not run."
    null = f"and shuffled frames give {spelled(white)}"
    if real.low > white.high:
        gap = number(real.estimate - white.estimate)
        return f"{statement}, {null}: only what exceeds that, {gap}, is evidence."
    if real.high < white.low:
        return (
            f"{statement}, {null}: frames that can be predicted may well score lower than noise that cannot."
        )
    return f"{statement}, {null} too: the cosine alone is no evidence that anything was predicted."


def _on_information(
    real: Interval | None, white: Interval | None, excess: Interval | None, bits: float | None, marginal: str
) -> str:
    if real is None or bits is None:
        return "Its predictive information was not measured."
    shuffled = f" (without memory: {spelled(white)} nats)" if white else ""
    if real.high < 0:
        return (
            f"Against {marginal} without a past its predictive information is {spelled(real)} nats per "
            f"frame{shuffled}: this arm knows less about the next frame than a density without a past."
        )
    statement = (
        f"For this arm, against {marginal} without a past, the past carries {spelled(real)} nats of "
        f"information about each next frame, or {number(bits)} bits per second of audio{shuffled}"
    )
    if real.low <= 0 or (excess is not None and excess.low <= 0):
        return f"{statement}: indistinguishable from zero in this run."
    return f"{statement}."
