"""The components of a mixture in a report: what they explain, how each sounds, clips of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from orchestrator.reporting.cell_text import NO_VALUE, TableRow, interval_text
from orchestrator.reporting.page_section import Section, each_representation
from orchestrator.reporting.templating import sound_address
from orchestrator.statistics.speaker_cells import from_scores
from orchestrator.statistics.speaker_intervals import interval_over_speakers, paired_difference
from orchestrator.statistics.wording import number
from trainables.predictor.scores import Scores

# feature -> what it is called, unit, and what a component is that has less or more of it than random steps
_FEATURES = {
    "spectral_flux": ("spectral flux", "", "steady spectrum", "changing spectrum"),
    "pitch_change": ("pitch change", "semitones", "falling pitch", "rising pitch"),
    "energy_change": ("energy change", "dB", "getting softer", "getting louder"),
    "onset": ("voicing begins", "share", "voicing hardly begins", "voicing begins"),
    "offset": ("voicing ends", "share", "voicing hardly ends", "voicing ends"),
    "voiced": ("voiced", "share", "unvoiced", "voiced"),
    "energy": ("energy", "dB", "soft", "loud"),
    "magnitude": ("|Δz|", "", "small steps", "large steps"),
}
_EVERY_COMPONENT = {"share": ("steps", "share"), "movement": ("movement", "share of Σ|Δz|²")}
_DISTINCT = 0.2  # standard deviations that a component's mean must be off to be named after it
_WAYS = {  # how a step is assigned to a component
    "responsibility": "by responsibility",
    "gating": "by weight, before the step is known",
    "nearest": "by nearest archetype",
    "random": "random groups of the same sizes",
}


def mixture_section(records: Mapping[str, Mapping[str, Any]], level: float) -> Section | None:
    """The components on every representation; None where nothing was measured."""
    parts = each_representation(records, components_context, level, "components")
    return Section("components", "components", "mixture.html", {"mixtures": parts}) if parts else None


def components_context(
    record: Mapping[str, Any], level: float = 0.95, anchor: str = "components"
) -> dict[str, Any] | None:
    """What ``mixture.html`` shows of one representation; None where nothing was measured.

    ``record`` is what :func:`orchestrator.inspection.mixture_components.mixture_components` gave; ``anchor``
    tells the id of this part from those of others on the page.
    """
    if not record:
        return None
    columns = [*_EVERY_COMPONENT, *record["features"]]
    heads = {**_EVERY_COMPONENT, **_FEATURES}
    return {
        "id": anchor,
        "arm": record["arm"],
        "archetypes": record["archetypes"],
        "count": record["components"],
        "left_out": record["components"] - len(record["shown"]),
        "used": number(_in_use(record)),
        "agreement": NO_VALUE if record["agreement"] is None else f"{100 * record['agreement']:.0f} %",
        "sentence": sentence(record, level),
        "ways": [_WAYS[way] for way in record["explained"]],
        "explained": _explained_rows(record, level),
        "columns": [heads[name][:2] for name in columns],
        "rows": [_row(component, columns, record["spread"], level) for component in record["shown"]],
        "acoustics": any(name != "magnitude" for name in record["features"]),
        "exhibits": [e for e in map(_exhibit, record["shown"]) if e["clips"]],
        "level": f"{100 * level:.3g}",
    }


def sentence(record: Mapping[str, Any], level: float = 0.95) -> str:
    """Which acoustic features the components explain more of than random groups do."""
    scores = _explained_scores(record)
    primary, random = next(iter(scores.values())), scores["random"]
    what = "Archetypes" if record["archetypes"] else "Components"
    audible = [name for name in record["features"] if name != "magnitude"]
    if not audible:
        return f"{what} cannot be told by ear: these data have no acoustic tracks."
    shares = []
    for name in audible:
        beyond = paired_difference(from_scores(primary, name), from_scores(random, name), level)
        if beyond is not None and beyond.low > 0:
            shares.append((beyond.estimate, _FEATURES[name][0]))
    if not shares:
        return (
            f"{what} explain no more of these acoustic features than random groups do: they are no acoustic "
            "events."
        )
    listed = ", ".join(f"{label} ({100 * share:.1f} %)" for share, label in sorted(shares, reverse=True))
    return f"Beyond what random groups explain, {what.lower()} explain a share of the variance of {listed}."


def _explained_scores(record: Mapping[str, Any]) -> dict[str, Scores]:
    return {way: Scores.from_json(scores) for way, scores in record["explained"].items()}


def _explained_rows(record: Mapping[str, Any], level: float) -> list[TableRow]:
    """The share of each feature's variance that the components explain, by way of assigning steps to them."""
    scores = _explained_scores(record).values()
    return [
        [
            _FEATURES[f][0],
            *(interval_text(interval_over_speakers(from_scores(way, f), level)) for way in scores),
        ]
        for f in record["features"]
    ]


def _row(
    component: Mapping[str, Any], columns: list[str], spread: Mapping[str, float], level: float
) -> dict[str, Any]:
    real, random = Scores.from_json(component["profile"]), Scores.from_json(component["random"])
    cells = [
        tuple(
            interval_text(interval_over_speakers(from_scores(side, name), level)) for side in (real, random)
        )
        for name in columns
    ]
    character = _character(real, random, spread, level)
    return {"name": component["component"] + 1, "character": character, "cells": cells}


def _character(real: Scores, random: Scores, spread: Mapping[str, float], level: float) -> str:
    """Up to three features in which a component is most unlike random steps, in words."""
    off = []
    for name, deviation in spread.items():
        beyond = paired_difference(from_scores(real, name), from_scores(random, name), level)
        if beyond is None or beyond.low <= 0 <= beyond.high or not deviation > 0:
            continue
        if abs(beyond.estimate) >= _DISTINCT * deviation:
            off.append((abs(beyond.estimate) / deviation, _FEATURES[name][3 if beyond.estimate > 0 else 2]))
    return ", ".join(words for _, words in sorted(off, reverse=True)[:3]) or "like any other"


def _exhibit(component: Mapping[str, Any]) -> dict[str, Any]:
    clips = [
        (
            f"{e['speaker_id']}, {e['utterance_id']} at {e['seconds']:.2f} s",
            sound_address(e["clip"]),
        )
        for e in component["exemplars"]
        if "clip" in e
    ]
    return {"name": component["component"] + 1, "clips": clips}


def _in_use(record: Mapping[str, Any]) -> float:
    """How many components are in use: the exponential of the entropy of their shares."""
    shares = np.array([share for share in record["shares"] if share > 0])
    return float(np.exp(-(shares * np.log(shares)).sum()))
