"""The pages of a panel: self-contained HTML that asks, plays, and sends nothing anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from orchestrator.listening.panel import Method, Panel, Trial
from orchestrator.reporting.templating import render
from trainables.listening.decode import wav_seconds

_TEMPLATES = Path(__file__).parent / "templates"
MOST_BYTES = 25_000_000  # of one page; more trials go to further pages
_SECONDS_TO_CHOOSE = 4.0


@dataclass(frozen=True)
class Page:
    """One page of a panel.

    Attributes:
        html: what is sent to listeners.
        digest: what the page itself computes of all that it asks and plays, SHA-256 in hex.
        trials: the names of those on it.
    """

    html: str
    digest: str
    trials: tuple[str, ...]


def pages(
    panel: Panel,
    trials: Sequence[Trial],
    sounds: Mapping[str, bytes],
    most_bytes: int = MOST_BYTES,
    what: str = "speech",
) -> list[Page]:
    """The pages of a panel, as few as hold its sounds with ``most_bytes`` each; ``what`` is heard on them."""
    each = max(len(wav) for wav in sounds.values()) * 4 // 3 + 100
    fit = max(1, (most_bytes - 100_000) // (len(trials[0].sounds) * each))
    parts = -(-len(trials) // fit)
    ends = [number * len(trials) // parts for number in range(parts + 1)]
    return [
        _page(panel, number, trials[a:b], sounds, what)
        for number, (a, b) in enumerate(zip(ends, ends[1:], strict=False), 1)
    ]


def _page(panel: Panel, part: int, trials: Sequence[Trial], sounds: Mapping[str, bytes], what: str) -> Page:
    asked = [{"name": trial.name, "sounds": list(trial.sounds)} for trial in trials]
    heard = [name for trial in trials for name in trial.sounds]
    scripts = (
        _script({"hash": panel.hash, "part": part, "method": panel.method, "trials": asked}),
        _script({name: base64.b64encode(sounds[name]).decode() for name in sorted(heard)}),
        (_TEMPLATES / "listen.js").read_text(),
    )
    seconds = len(heard) * (wav_seconds(sounds[heard[0]]) + _SECONDS_TO_CHOOSE / 2)
    html = render(
        "listen.html",
        _TEMPLATES,
        count=len(trials),
        what=what,
        minutes=max(1, round(seconds / 60)),
        rated=len(trials[0].sounds) if panel.method is Method.RATING else 0,
        **dict(zip(("panel", "sounds", "code"), map(Markup, scripts), strict=True)),
    )
    digest = hashlib.sha256("\n".join(scripts).encode()).hexdigest()
    return Page(html, digest, tuple(trial.name for trial in trials))


def _script(content: Any) -> str:
    """JSON that may stand in a script element, whatever its texts hold."""
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
