"""What the report says of the components of a mixture: what they explain, how each sounds, clips of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from orchestrator.reporting.result_rows import ABSENT, shown
from orchestrator.statistics.speaker_cells import from_scores
from orchestrator.statistics.speaker_intervals import interval_over_speakers, paired_difference
from orchestrator.statistics.wording import number
from trainables.predictor.scores import Scores

# feature -> how it is called, unit, and what a component is that has less or more of it than random steps
FEATURES = {
    "spectral_flux": ("spectral flux", "", "steady spectrum", "changing spectrum"),
    "pitch_change": ("pitch change", "semitones", "falling pitch", "rising pitch"),
    "energy_change": ("energy change", "dB", "getting softer", "getting louder"),
    "onset": ("voicing begins", "share", "voicing hardly begins", "voicing begins"),
    "offset": ("voicing ends", "share", "voicing hardly ends", "voicing ends"),
    "voiced": ("voiced", "share", "unvoiced", "voiced"),
    "energy": ("energy", "dB", "soft", "loud"),
    "magnitude": ("|Δz|", "", "small steps", "large steps"),
}
ALWAYS = {"share": ("steps", "share"), "movement": ("movement", "share of Σ|Δz|²")}
_TELLING = 0.2  # standard deviations that a component's mean must be off to be named after it
_NAMES = {
    "responsibility": "by responsibility",
    "gating": "by weight, before the step is known",
    "nearest": "by nearest archetype",
    "random": "random groups of the same sizes",
}


def components_context(
    found: Mapping[str, Any], level: float = 0.95, name: str = "components"
) -> dict[str, Any] | None:
    """What ``mixture.html`` shows of what the inspection found; None where nothing was measured.

    ``name`` tells its id on a page from those of others.
    """
    if not found:
        return None
    explained = {name: Scores.from_json(own) for name, own in found["explained"].items()}
    features = list(found["features"])
    columns = [*ALWAYS, *features]
    return {
        "id": name,
        "of": "",  # the representation, where a page tells of several
        "arm": found["arm"],
        "archetypes": found["archetypes"],
        "count": found["components"],
        "left_out": found["components"] - len(found["shown"]),
        "used": number(_used(found)),
        "agreement": ABSENT if found["agreement"] is None else f"{100 * found['agreement']:.0f} %",
        "sentence": sentence(found, level),
        "ways": [_NAMES[name] for name in explained],
        "explained": [
            [
                FEATURES[f][0],
                *(shown(interval_over_speakers(from_scores(own, f), level)) for own in explained.values()),
            ]
            for f in features
        ],
        "columns": [{**ALWAYS, **FEATURES}[name][:2] for name in columns],
        "rows": [_row(own, columns, found["spread"], level) for own in found["shown"]],
        "acoustics": any(name != "magnitude" for name in features),
        "exhibits": [exhibit for own in found["shown"] if (exhibit := _exhibit(own))["clips"]],
        "level": f"{100 * level:.3g}",
    }


def sentence(found: Mapping[str, Any], level: float = 0.95) -> str:
    """Which acoustic features the components tell more of than random groups do."""
    explained = {name: Scores.from_json(own) for name, own in found["explained"].items()}
    primary = next(iter(explained.values()))
    what = "Archetypes" if found["archetypes"] else "Components"
    audible = [name for name in found["features"] if name != "magnitude"]
    if not audible:
        return f"{what} cannot be told by ear: these data have no acoustic tracks."
    told = []
    for name in audible:
        beyond = paired_difference(from_scores(primary, name), from_scores(explained["random"], name), level)
        if beyond is not None and beyond.low > 0:
            told.append((beyond.estimate, FEATURES[name][0]))
    if not told:
        return (
            f"{what} tell nothing of these acoustic features that random groups do not: no acoustic events."
        )
    most = ", ".join(f"{label} ({100 * share:.1f} %)" for share, label in sorted(told, reverse=True))
    return f"Beyond random groups, {what.lower()} explain of the variance of {most}."


def _row(
    own: Mapping[str, Any], columns: list[str], spread: Mapping[str, float], level: float
) -> dict[str, Any]:
    real, random = Scores.from_json(own["profile"]), Scores.from_json(own["random"])
    cells = [
        tuple(shown(interval_over_speakers(from_scores(side, name), level)) for side in (real, random))
        for name in columns
    ]
    return {"name": own["component"] + 1, "said": _said(real, random, spread, level), "cells": cells}


def _said(real: Scores, random: Scores, spread: Mapping[str, float], level: float) -> str:
    """Up to three features in which a component is most unlike random steps."""
    off = []
    for name, deviation in spread.items():
        beyond = paired_difference(from_scores(real, name), from_scores(random, name), level)
        if beyond is None or beyond.low <= 0 <= beyond.high or not deviation > 0:
            continue
        if abs(beyond.estimate) >= _TELLING * deviation:
            off.append((abs(beyond.estimate) / deviation, FEATURES[name][3 if beyond.estimate > 0 else 2]))
    return ", ".join(words for _, words in sorted(off, reverse=True)[:3]) or "like any other"


def _exhibit(own: Mapping[str, Any]) -> dict[str, Any]:
    clips = [
        (
            f"{e['speaker_id']}, {e['utterance_id']} at {e['seconds']:.2f} s",
            Markup("data:audio/wav;base64," + e["clip"]),
        )
        for e in own["exemplars"]
        if "clip" in e
    ]
    return {"name": own["component"] + 1, "clips": clips}


def _used(found: Mapping[str, Any]) -> float:
    """Exp of the entropy of the shares of all components: how many are in use."""
    shares = np.array([share for share in found["shares"] if share > 0])
    return float(np.exp(-(shares * np.log(shares)).sum()))
