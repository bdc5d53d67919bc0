"""The model card of an exported predictor: what it is, what was decided with it and on what, and its use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from orchestrator.runtime.markdown_text import as_table, as_text
from trainables.predictor.exported import ExportedPredictor

_CARD = """\
---
library_name: latent-verdict
tags: [audio, latents, {representation}]
---

# {arm} of {study}: {verdict}

Continues {representation} latents, {dim} dimensions at {rate:g} Hz, from at least {context} frames
({seconds:.2f} s).

## What was decided

{decided}

These are verdict and intervals of the study, over {replicates} seeds and the test speakers. The weights
here are those of one seed, {seed} (replicate {replicate}): no interval is of it alone.

## What it was decided on

{facts}

## How to use it

```python
from trainables.predictor.exported import load_predictor

predictor = load_predictor("{folder}")
latents = predictor.continue_latents(context, frames=50)  # numpy [frames, {dim}], in the codec's units
```

It needs this package and torch, neither Ray nor Optuna nor MLflow. From audio to audio:
`python -m orchestrator.generate {folder} --context audio.flac --out out.wav`

## Settings

```json
{settings}
```
"""


def model_card(predictor: ExportedPredictor, folder: str, data: Mapping[str, Any], licence: str) -> str:
    """The card as Markdown.

    Args:
        predictor: what is exported.
        folder: its name.
        data: the description of the latents that it was trained on, as the record of a run holds it.
        licence: of these data, in words.
    """
    units, origin = predictor.units, predictor.origin
    settings = {**asdict(predictor.structure), **origin.get("training", {})}
    return _CARD.format(
        arm=as_text(predictor.arm),
        study=as_text(str(origin.get("study", ""))),
        verdict=as_text(str(origin.get("verdict", "not judged"))),
        representation=as_text(units.representation),
        dim=units.dim,
        rate=units.frame_rate,
        context=predictor.structure.context,
        seconds=predictor.structure.context / units.frame_rate,
        decided=_decided(origin),
        replicates=origin.get("replicates", {}).get(predictor.arm, {}).get("finished", "no"),
        seed=origin.get("seed", ""),
        replicate=origin.get("replicate", ""),
        facts=as_table(("what", "is"), _facts(predictor, data, licence)),
        folder=folder,
        settings=json.dumps(settings, indent=1),
    )


def _decided(origin: Mapping[str, Any]) -> str:
    if "verdict" not in origin:
        return "Nothing: the run has no verdict yet."
    level = f"{100 * origin['level']:.3g} %"
    answer = f"{origin['reason']} {origin['consequence']}"
    lines = [f"**{as_text(origin['verdict'])}**: {as_text(answer)}", ""]
    lines += [
        f"- {as_text(each['role'])}, {as_text(each['outcome'])}: {as_text(each['sentence'])}"
        + ("" if each["estimate"] is None else f" ({_interval(each['estimate'])} at {level})")
        for each in origin["criteria"]
    ]
    if origin["forced"]:
        lines += ["", f"The study was forced although its gate was not open: {as_text(origin['forced'])}."]
    return "\n".join(lines)


def _interval(estimate: Mapping[str, Any]) -> str:
    return f"{estimate['estimate']:.4g} [{estimate['low']:.4g}, {estimate['high']:.4g}]"


def _facts(predictor: ExportedPredictor, data: Mapping[str, Any], licence: str) -> list[tuple[str, str]]:
    units, origin = predictor.units, predictor.origin
    counts = [f"{count} {split}" for split, count in data.get("speakers", {}).items()]
    codec = "none" if units.codec is None else f"{units.codec}, hash {units.codec_hash}"
    return [
        ("speakers", ", ".join(counts) or "unknown"),
        ("latents", f"{units.representation}, content hash {origin.get('data_hash') or 'unknown'}"),
        ("note on the data", str(data.get("note") or "none")),
        ("licence of the data", licence),
        ("codec", codec),
        ("normaliser", f"frames are divided by {units.rms!r}, the root mean square of training frames"),
        ("whitening", _whitening(predictor)),
        ("run", f"{origin.get('run', '')}, sealed plan {origin.get('seal') or 'none'}"),
        ("code", str(origin.get("code") or "unknown")),
        ("trained numbers", str(origin.get("parameters", "unknown"))),
    ]


def _whitening(predictor: ExportedPredictor) -> str:
    if predictor.structure.coordinates != "whitened":
        return "none"
    return "by the covariance of training frames; mean and factors are among the weights"
