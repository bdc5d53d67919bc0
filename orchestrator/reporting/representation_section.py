"""Two representations side by side: the document's criterion, the one beyond nulls, and why they differ."""

from __future__ import annotations

import math
from typing import Any

from orchestrator.judging.criteria import CriterionResult
from orchestrator.judging.measures import Measures
from orchestrator.judging.verdict import Judgement
from orchestrator.records.evidence import Evidence
from orchestrator.reporting.result_rows import ABSENT, ResultRow, shown
from orchestrator.statistics.wording import capital, number
from search_spaces.study import Claim, Role, Study
from trainables.latents.batching.surrogates import Surrogate

_MUCH = 0.25  # share of a ΔNLL that noise alone gives, from which on it is a reason
_COLUMNS = (
    "arm",
    "representation",
    "Hz",
    "D",
    "−ΔNLL, nats per frame",
    "of which noise gives",
    "information beyond noise, nats per frame",
    "bits per second",
)


def comparison(study: Study, evidence: Evidence, judgement: Judgement, measures: Measures) -> dict[str, Any]:
    """What the report shows of a study that compares representations; empty for any other."""
    primary = next(r for r in judgement.criteria if r.criterion.role is Role.PRIMARY)
    written = [
        r
        for r in judgement.criteria
        if r.criterion.claim is Claim.TIMES
        and r.criterion.role is Role.REPORTED
        and not r.criterion.beats_null
    ]
    if not study.compares or not written or not evidence.arms:
        return {}
    data = {own["representation"]: own for own in (evidence.data, *evidence.other_data)}
    return {
        "columns": _COLUMNS,
        "rows": [_row(arm, data[_representation(arm, evidence)], measures) for arm in evidence.arms],
        "written": capital(written[0].sentence),
        "corrected": capital(primary.sentence),
        "agreement": agreement(written[0], primary),
        "reasons": _reasons(primary, data, evidence, measures),
    }


def agreement(written: CriterionResult, corrected: CriterionResult) -> str:
    """Whether the criterion as written and the one beyond nulls say the same."""
    if written.outcome is corrected.outcome:
        return f"Both criteria are {written.outcome}: they agree."
    return (
        f"They disagree: as the document writes it the criterion is {written.outcome}, beyond what noise "
        f"gives it is {corrected.outcome}. The verdict follows the latter."
    )


def _row(arm: str, data: dict[str, Any], measures: Measures) -> ResultRow:
    real, white = _likelihoods(arm, measures)
    information, bits = (
        measures.excess(arm, f"predictive_{unit}_gaussian") for unit in ("information", "bits_per_second")
    )
    return [
        arm,
        data["representation"],
        f"{data['frame_rate']:g}",
        str(data["dim"]),
        shown(real),
        shown(white),
        shown(information),
        shown(bits),
    ]


def _reasons(
    primary: CriterionResult, data: dict[str, dict[str, Any]], evidence: Evidence, measures: Measures
) -> list[str]:
    """Why a ratio of ΔNLL is not one of information, with this run's own numbers."""
    arms = [name for name in (primary.criterion.versus, primary.criterion.arm) if name in evidence.arms]
    own = {arm: data[_representation(arm, evidence)] for arm in arms if arm}
    found = [reason for arm in arms if (reason := _noise(arm, own[arm], measures))]
    rates = {arm: own[arm]["frame_rate"] for arm in arms}
    if len(set(rates.values())) > 1:
        said = " and ".join(f"{rate:g} in {own[arm]['representation']}" for arm, rate in rates.items())
        found.append(f"ΔNLL is counted per frame, and a second has {said}; bits per second are not.")
    return [*found, *(reason for arm in arms if (reason := _narrow(arm, own[arm], measures)))]


def _noise(arm: str, data: dict[str, Any], measures: Measures) -> str:
    real, white = _likelihoods(arm, measures)
    if real is None or white is None or not real.estimate > 0 or white.estimate < _MUCH * real.estimate:
        return ""
    return (
        f"Shuffled frames of {data['representation']}, whose past says nothing, have a ΔNLL of "
        f"{number(-white.estimate)} nats all the same (by formula −(D/2) ln 2 = "
        f"{number(-data['dim'] / 2 * math.log(2))} for D = {data['dim']}), against "
        f"{number(-real.estimate)} of the real ones."
    )


def _narrow(arm: str, data: dict[str, Any], measures: Measures) -> str:
    """Where frames change slowly, delta is narrow before any model has said a word."""
    real, _ = _likelihoods(arm, measures)
    information = measures.excess(arm, "predictive_information_gaussian")
    if real is None or information is None or not 0 < 2 * real.estimate < information.estimate:
        return ""
    return (
        f"Frames of {data['representation']} change little from one to the next, so that Δz is narrow even "
        f"without a past: of the {number(information.estimate)} nats that the past tells, ΔNLL counts "
        f"{number(real.estimate)}."
    )


def _likelihoods(arm: str, measures: Measures) -> tuple[Any, Any]:
    """-ΔNLL of an arm on real frames and on shuffled ones."""
    return measures.value(arm, "-dnll"), measures.value(arm, "-dnll", surrogate=Surrogate.WHITE)


def _representation(arm: str, evidence: Evidence) -> str:
    return str(
        evidence.arms[arm].config.structure.representation or evidence.data.get("representation", ABSENT)
    )
