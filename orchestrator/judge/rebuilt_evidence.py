"""The evidence that a sweep would have left, built again from rows of results.

Shapes: S units, K rollout steps.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from orchestrator.judge.result_rows import ALL_UNITS, ResultRow, Results
from orchestrator.planning.plan import shrunk
from orchestrator.planning.structures import TIME_SUFFIX
from orchestrator.records.evidence import ArmEvidence, Evidence, Replicate
from orchestrator.records.seal import as_sealed
from orchestrator.results.long_table import CONTINUATION_FIGURES, COURSE_FIGURES, RowKind
from search_spaces.domains import Choice
from search_spaces.study import Arm, Study, bound
from trainables.errors import InputError
from trainables.lane_config import PREDICTOR, TRAINABLE_SETTING, LaneConfig
from trainables.latents.batching.surrogates import NULLS, PLANTS, Surrogate
from trainables.predictor.scores import OWN_FAMILY, LaneStatus, Scores

ASSUMED_FRAME_RATE = 50.0  # Hz, where nobody says another


def rebuilt(study: Study, results: Results, frame_rate: float | None) -> tuple[Study, Evidence]:
    """The study as it was asked for, and the evidence that the rows amount to.

    Args:
        study: as it is declared.
        results: the rows.
        frame_rate: Hz, of rows that do not say it.

    Raises:
        InputError: a fact about the data cannot be read, or a setting is not one of the arm's trainable.
    """
    about = _facts(row for row in results.rows if row.kind is RowKind.ABOUT and not row.arm)
    study = _as_asked(study, about)
    data = {
        "representation": results.source,
        "frame_rate": frame_rate or ASSUMED_FRAME_RATE,
        "codec": None,
        "dim": 0,
    }
    arms = {}
    for arm in study.arms:
        rows = [row for row in results.rows if row.arm == arm.name]
        if any(row.kind is not RowKind.ABOUT for row in rows):
            arms[arm.name] = _arm(study, arm, rows, frame_rate)
    provenance = {
        "after_the_fact": True,
        "results": results.source,
        "notes": list(_assumed(results, frame_rate)),
        "smoke": bool(about.get("smoke")),
    }
    evidence = Evidence(study.name, arms, {**data, **about.get("data", {})}, {}, provenance)
    evidence.look = int(about.get("look", 1))
    evidence.ratings = about.get("ratings", {})
    evidence.plants = _plants(results.rows, evidence)
    return study, evidence


def _as_asked(study: Study, about: Mapping[str, Any]) -> Study:
    """With the effort and settings of the sweep that the rows come from, where they come from one."""
    study = as_sealed(study, about.get("asked", {}))
    compares = study.compares and "asked" not in about
    study = bound(study, ["the reference", "the other"]) if compares else study
    return shrunk(study) if about.get("smoke") else study


def _facts(rows: Iterable[ResultRow]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for row in rows:
        try:
            facts[row.metric] = json.loads(row.text) if row.text else row.value
        except ValueError:
            raise InputError(
                f"{row.place}: text is {row.text!r}, which is no JSON; leave the row as it was exported"
            ) from None
    return facts


def _arm(study: Study, arm: Arm, rows: Sequence[ResultRow], frame_rate: float | None) -> ArmEvidence:
    facts = _facts(row for row in rows if row.kind is RowKind.ABOUT and row.metric != "marginal")
    rate = float(facts.get("frame_rate", frame_rate or ASSUMED_FRAME_RATE))
    config = LaneConfig.of(facts["settings"]) if "settings" in facts else _typical(study, arm, rate)
    lanes: dict[tuple[Surrogate, int], list[ResultRow]] = {}
    for row in rows:
        about_the_arm = row.kind is RowKind.ABOUT and row.metric != "marginal"
        if not about_the_arm and row.kind not in (RowKind.RIDGE, RowKind.OPTIMUM):
            lanes.setdefault((row.surrogate, row.seed), []).append(row)
    horizon = max((row.step or 0 for row in rows if row.kind in (RowKind.MEASURED, RowKind.RIDGE)), default=0)
    trained = [_lane(surrogate, seed, lane, rate, horizon) for (surrogate, seed), lane in lanes.items()]
    ridge = [row for row in rows if row.kind is RowKind.RIDGE]
    return ArmEvidence(
        name=arm.name,
        config=config,
        explored=[],
        replicates=[lane for lane in trained if lane.surrogate == Surrogate.REAL],
        nulls=[lane for lane in trained if lane.surrogate in NULLS],
        plants=[lane for lane in trained if lane.surrogate in PLANTS],
        ridge=_scores(ridge, rate, horizon).to_json() if ridge else {},
    )


def _typical(study: Study, arm: Arm, frame_rate: float) -> LaneConfig:
    """Settings of an arm whose own are not known: what is fixed, and the first that would be searched."""
    searched = {
        name: domain.options[0] if isinstance(domain, Choice) else domain.low
        for name, domain in {**study.space, **arm.space}.items()
    }
    named = {} if arm.trainable == PREDICTOR else {TRAINABLE_SETTING: arm.trainable}
    settings = {**named, **searched, **study.fixed, **arm.fixed}
    for name in [name for name in settings if name.endswith(TIME_SUFFIX)]:
        frames = round(settings.pop(name) * frame_rate / 1000)
        settings[name.removesuffix(TIME_SUFFIX)] = max(1, frames)
    return LaneConfig.of(settings)


def _lane(
    surrogate: Surrogate, seed: int, rows: Sequence[ResultRow], frame_rate: float, horizon: int
) -> Replicate:
    diverged = any(row.kind is RowKind.DIVERGED for row in rows)
    measured = [row for row in rows if row.kind is RowKind.MEASURED]
    heard = [row for row in measured if row.metric in CONTINUATION_FIGURES]
    scored = [row for row in measured if row.metric not in CONTINUATION_FIGURES]
    marginal = next((row.text for row in rows if row.kind is RowKind.ABOUT), OWN_FAMILY)
    training = [row for row in rows if row.kind is RowKind.TRAINING]
    return Replicate(
        seed=seed,
        surrogate=surrogate,
        status=LaneStatus.DIVERGED if diverged else LaneStatus.FINISHED,
        scores=None if diverged else _scores(scored, frame_rate, horizon, marginal).to_json(),
        history=_history(row for row in training if row.metric not in COURSE_FIGURES),
        parameters=0,
        listening=_listening(heard),
        courses=_courses(row for row in training if row.metric in COURSE_FIGURES),
    )


def _scores(rows: Sequence[ResultRow], frame_rate: float, horizon: int, marginal: str = OWN_FAMILY) -> Scores:
    """Sums and counts per unit; what no row tells was not counted."""
    units = {unit: i for i, unit in enumerate(dict.fromkeys(row.unit for row in rows))}
    scores = Scores(list(units), frame_rate, horizon, marginal=marginal)
    for row in rows:
        shape = (len(units),) if row.step is None else (len(units), horizon)
        for kept, number in ((scores.sums, row.total), (scores.counts, row.counted)):
            table = kept.setdefault(row.metric, np.zeros(shape))
            if table.shape != shape:
                raise InputError(
                    f"{row.place}: {row.metric} has a step in some rows and none in others; write it in all"
                )
            table[(units[row.unit], *([] if row.step is None else [row.step - 1]))] += number
    return scores


def _history(rows: Iterable[ResultRow]) -> list[dict[str, Any]]:
    """The epochs of training in the order of their rows, those of one epoch together."""
    entries: dict[tuple[str, int | None], dict[str, Any]] = {}
    for row in rows:
        entry = entries.setdefault((row.phase, row.epoch), {"epoch": row.epoch, "phase": row.phase})
        entry[f"{row.metric}@{row.step}" if row.step else row.metric] = row.value
    return list(entries.values())


def _courses(rows: Iterable[ResultRow]) -> dict[str, dict[str, float]]:
    """How each phase of training went as a whole."""
    courses: dict[str, dict[str, float]] = {}
    for row in rows:
        courses.setdefault(row.phase, {})[row.metric] = row.value
    return courses


def _listening(rows: Iterable[ResultRow]) -> list[dict[str, Any]]:
    """The figures of each utterance that was decoded."""
    heard: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        place = {"utterance_id": row.utterance or row.unit, "speaker_id": row.unit}
        heard.setdefault((row.unit, row.utterance), place)[row.metric] = row.value
    return list(heard.values())


def _plants(rows: Iterable[ResultRow], evidence: Evidence) -> dict[str, dict[str, Any]]:
    """The best possible cosines on plants, by representation."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.kind is RowKind.OPTIMUM and row.arm in evidence.arms and row.step is not None:
            structure = evidence.arms[row.arm].config.structure
            named = getattr(structure, "representation", "") or evidence.data["representation"]
            best = found.setdefault(named, {}).setdefault(str(row.surrogate), {"cos": []})["cos"]
            best += [0.0] * (row.step - len(best))
            best[row.step - 1] = row.value
    return found


def _assumed(results: Results, frame_rate: float | None) -> tuple[str, ...]:
    """What was noticed in the rows, and what is assumed where they do not say it, a sentence each."""
    told = any(row.metric in ("frame_rate", "data") and row.kind is RowKind.ABOUT for row in results.rows)
    sentences = list(results.notes)
    if frame_rate is None and not told:
        sentences.append(
            f"Times and bits per second are those of {ASSUMED_FRAME_RATE:g} frames per second; "
            "--frame-rate says another."
        )
    if "unit" not in results.columns:
        sentences.append(
            f"No column names a unit such as a speaker: all rows count as of one, {ALL_UNITS!r}."
        )
    return tuple(sentences)
