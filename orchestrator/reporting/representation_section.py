"""Two representations side by side: the document's criterion, the one beyond nulls, and why they differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from orchestrator.judging.criteria import CriterionResult
from orchestrator.judging.measures import Measures
from orchestrator.records.evidence import Evidence
from orchestrator.reporting.cell_text import NO_VALUE, TableRow, interval_text
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section
from orchestrator.statistics.intervals import Interval
from orchestrator.statistics.wording import capital, number
from search_spaces.study import Claim, Role
from trainables.latents.batching.surrogates import Surrogate

_MUCH = 0.25  # share of a ΔNLL that noise alone gives, from which on it is a reason
_COLUMNS = (
    "arm",
    "representation",
    "Hz",
    "D",
    "−ΔNLL, nats per frame",
    "of which on shuffled frames",
    "information beyond shuffled frames, nats per frame",
    "bits per second",
)


def representation_section(run: JudgedRun) -> Section | None:
    """What the report shows of a study that compares representations; None for any other."""
    content = comparison(run)
    return Section("comparison", "representations", "representations.html", content) if content else None


def comparison(run: JudgedRun) -> dict[str, Any]:
    """Two representations compared: a row per arm, both criteria in words, and why they differ.

    Empty where nothing is compared.
    """
    evidence, primary = run.evidence, run.judgement.primary
    written = [
        r
        for r in run.judgement.criteria
        if r.criterion.claim is Claim.TIMES
        and r.criterion.role is Role.REPORTED
        and not r.criterion.beats_null
    ]
    if not run.study.compares or not written or not evidence.arms:
        return {}
    by_name = {data["representation"]: data for data in (evidence.data, *evidence.other_data)}
    by_arm = {arm: by_name[_representation(arm, evidence)] for arm in evidence.arms}
    return {
        "columns": _COLUMNS,
        "rows": [_row(arm, data, run.measures) for arm, data in by_arm.items()],
        "written": capital(written[0].sentence),
        "corrected": capital(primary.sentence),
        "agreement": agreement(written[0], primary),
        "reasons": _reasons(primary, by_arm, run.measures),
    }


def agreement(written: CriterionResult, corrected: CriterionResult) -> str:
    """Whether the criterion as written and the one beyond nulls have the same outcome."""
    if written.outcome is corrected.outcome:
        return f"Both criteria are {written.outcome}: they agree."
    return (
        f"They disagree: as the document writes it the criterion is {written.outcome}, beyond what shuffled "
        f"frames give it is {corrected.outcome}. The verdict follows the latter."
    )


def _row(arm: str, data: Mapping[str, Any], measures: Measures) -> TableRow:
    real, white = _likelihoods(arm, measures)
    information, bits = (
        measures.excess(arm, f"predictive_{unit}_gaussian") for unit in ("information", "bits_per_second")
    )
    return [
        arm,
        data["representation"],
        f"{data['frame_rate']:g}",
        str(data["dim"]),
        *map(interval_text, (real, white, information, bits)),
    ]


def _reasons(
    primary: CriterionResult, by_arm: Mapping[str, Mapping[str, Any]], measures: Measures
) -> list[str]:
    """Why a ratio of ΔNLL is not one of information, with this run's own numbers."""
    arms = [arm for arm in (primary.criterion.versus, primary.criterion.arm) if arm in by_arm]
    data = {arm: by_arm[arm] for arm in arms if arm}
    reasons = [_noise_reason(arm, data[arm], measures) for arm in data]
    rates = {arm: dataset["frame_rate"] for arm, dataset in data.items()}
    if len(set(rates.values())) > 1:
        listed = " and ".join(f"{rate:g} in {data[arm]['representation']}" for arm, rate in rates.items())
        reasons.append(f"ΔNLL is counted per frame, and a second has {listed}; bits per second are not.")
    reasons += [_narrowness_reason(arm, data[arm], measures) for arm in data]
    return [reason for reason in reasons if reason]


def _noise_reason(arm: str, data: Mapping[str, Any], measures: Measures) -> str:
    real, white = _likelihoods(arm, measures)
    if real is None or white is None or not real.estimate > 0 or white.estimate < _MUCH * real.estimate:
        return ""
    return (
        f"Shuffled frames of {data['representation']}, whose past says nothing, have a ΔNLL of "
        f"{number(-white.estimate)} nats all the same (by formula −(D/2) ln 2 = "
        f"{number(-data['dim'] / 2 * math.log(2))} for D = {data['dim']}), against "
        f"{number(-real.estimate)} of the real ones."
    )


def _narrowness_reason(arm: str, data: Mapping[str, Any], measures: Measures) -> str:
    """Where frames change slowly, Δz has a narrow distribution before any model has predicted it."""
    real, _ = _likelihoods(arm, measures)
    information = measures.excess(arm, "predictive_information_gaussian")
    if real is None or information is None or not 0 < 2 * real.estimate < information.estimate:
        return ""
    return (
        f"Frames of {data['representation']} change little from one to the next, so that Δz is narrow even "
        f"without a past: of the {number(information.estimate)} nats that the past tells, ΔNLL counts "
        f"{number(real.estimate)}."
    )


def _likelihoods(arm: str, measures: Measures) -> tuple[Interval | None, Interval | None]:
    """-ΔNLL of an arm on real frames and on shuffled ones."""
    return measures.value(arm, "-dnll"), measures.value(arm, "-dnll", surrogate=Surrogate.WHITE)


def _representation(arm: str, evidence: Evidence) -> str:
    chosen = evidence.arms[arm].config.structure.representation
    return str(chosen or evidence.data.get("representation", NO_VALUE))
