"""What machines hear in the continuations of a run: measures that decide nothing, with floor and ceiling.

A figure of quality means something beside what it gives for the original, the codec's copy of it, a frame
that stands still, the mean of all frames, another speaker's true speech and a random walk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.inspection.clips import Clip, original, others_of
from orchestrator.listening.panel import COPY, FROZEN, WALK
from orchestrator.listening.sounds import MEAN, OTHER, SoundMaker
from orchestrator.reporting.cell_text import NO_VALUE, TableRow
from orchestrator.statistics.wording import number
from trainables.listening.continuation_quality import continuation_quality
from trainables.listening.spectral_distance import log_spectral_distance

CLIPS = 12  # that are measured
_ORIGINAL = "original"


@dataclass(frozen=True)
class Heard:
    """Measures, each with its mean over clips for all that was heard; None where there is no such sound."""

    sources: tuple[str, ...]
    means: dict[str, dict[str, float | None]]  # by measure, then by source

    @property
    def columns(self) -> tuple[str, ...]:
        """The headings of :attr:`rows`."""
        return ("measure", *self.sources)

    @property
    def rows(self) -> list[TableRow]:
        """A row for each measure."""
        return [
            [name, *(NO_VALUE if mean is None else number(mean) for mean in by_source.values())]
            for name, by_source in self.means.items()
        ]


def measured(maker: SoundMaker, clips: Sequence[Clip], arms: Sequence[str]) -> Heard:
    """What every measure makes of the continuations alone, against the codec's copy of the true ones."""
    rate = maker.codec.sample_rate
    truths = [maker.continuation(COPY, clips, i) for i in range(len(clips))]
    measures: dict[str, Callable[[int, np.ndarray], float]] = {
        "continuation quality, 0 to 1": lambda i, heard: continuation_quality(
            truths[i], heard, others_of(truths, i), rate
        ),
        "log-spectral distance, dB": lambda i, heard: log_spectral_distance(truths[i], heard, rate),
    }
    sources = (_ORIGINAL, COPY, *arms, FROZEN, MEAN, OTHER, WALK)
    sounds = {source: [_sound(maker, source, clips, i) for i in range(len(clips))] for source in sources}
    means = {
        name: {source: _mean(measure, sounds[source], truths) for source in sources}
        for name, measure in measures.items()
    }
    return Heard(sources, means)


def _sound(maker: SoundMaker, source: str, clips: Sequence[Clip], number: int) -> np.ndarray | None:
    """The continuation of a clip; None where its original can no longer be read."""
    if source != _ORIGINAL:
        return maker.continuation(source, clips, number)
    whole = original(clips[number], maker.codec)
    return None if whole is None else whole[round(clips[number].seconds * maker.codec.sample_rate) :]


def _mean(
    measure: Callable[[int, np.ndarray], float],
    sounds: Sequence[np.ndarray | None],
    truths: Sequence[np.ndarray],
) -> float | None:
    values = []
    for i, sound in enumerate(sounds):
        if sound is not None:
            length = len(truths[i])
            values.append(measure(i, np.pad(sound[:length], (0, max(0, length - len(sound))))))
    return float(np.mean(values)) if values else None
