"""What machines hear in the continuations of a run: measures that decide nothing, with floor and ceiling.

A figure of quality means something beside what it gives for the original, the codec's copy of it, a frame
that stands still, the mean of all frames, another speaker's true speech and a random walk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from orchestrator.inspection.clips import Clip, kind_of_sound, original, others_of
from orchestrator.listening.panel import COPY, FROZEN, WALK
from orchestrator.listening.sounds import MEAN, OTHER, SoundMaker
from orchestrator.reporting.cell_text import NO_VALUE, TableRow
from orchestrator.statistics.wording import number
from trainables.listening.hearing_measures import HEARING_MEASURES, HearingMeasure

CLIPS = 12  # that are measured
_ORIGINAL = "original"


@dataclass(frozen=True)
class Heard:
    """Measures, each with its mean over clips for all that was heard; None where there is no such sound."""

    sources: tuple[str, ...]
    means: Mapping[str, Mapping[str, float | None]]  # by measure, then by source
    left_out: Mapping[str, str] = field(default_factory=dict)  # why, by measure
    cautions: Mapping[str, str] = field(default_factory=dict)  # what a measure does not hear

    @property
    def columns(self) -> tuple[str, ...]:
        """The headings of :attr:`rows`."""
        return ("measure", *self.sources)

    @property
    def rows(self) -> list[TableRow]:
        """A row for each measure, those that were left out last."""
        rows: list[TableRow] = [
            [name, *(NO_VALUE if mean is None else number(mean) for mean in by_source.values())]
            for name, by_source in self.means.items()
        ]
        empty = [NO_VALUE] * len(self.sources)
        return rows + [[f"{name} ({why})", *empty] for name, why in self.left_out.items()]


def measured(maker: SoundMaker, clips: Sequence[Clip], arms: Sequence[str]) -> Heard:
    """What every measure makes of the continuations alone, against the codec's copy of the true ones."""
    sources = (_ORIGINAL, COPY, *arms, FROZEN, MEAN, OTHER, WALK)
    hearing = _Hearing(maker, clips)
    sounds = {source: [_sound(maker, source, clips, i) for i in range(len(clips))] for source in sources}
    means = {
        measure.name: {
            source: _mean([hearing.score(measure, i, sound) for i, sound in enumerate(sounds[source])])
            for source in sources
        }
        for measure in hearing.measures
    }
    cautions = {measure.name: measure.caution for measure in hearing.measures if measure.caution}
    return Heard(sources, means, hearing.left_out, cautions)


def in_favour(maker: SoundMaker, clips: Sequence[Clip], arm: str, versus: str) -> dict[str, dict[str, float]]:
    """By how much every measure that can be asked is in favour of an arm against its rival, by utterance."""
    hearing = _Hearing(maker, clips)
    favours: dict[str, dict[str, float]] = {}
    for measure in hearing.measures:
        by_utterance = favours.setdefault(measure.name, {})
        for i, clip in enumerate(clips):
            ours, theirs = (
                hearing.score(measure, i, maker.continuation(name, clips, i)) for name in (arm, versus)
            )
            if ours is not None and theirs is not None:
                by_utterance[clip.utterance_id] = measure.sign * (ours - theirs)
    return favours


class _Hearing:
    """Scores sounds against the codec's copies of the true continuations of clips."""

    def __init__(self, maker: SoundMaker, clips: Sequence[Clip]) -> None:
        self._truths = [maker.continuation(COPY, clips, i) for i in range(len(clips))]
        self._rate = maker.codec.sample_rate
        speech = kind_of_sound(maker.codec.name) == "speech"
        reasons = {measure: measure.why_left_out(speech) for measure in HEARING_MEASURES}
        self.measures = [measure for measure, why in reasons.items() if not why]
        self.left_out = {measure.name: why for measure, why in reasons.items() if why}

    def score(self, measure: HearingMeasure, number: int, sound: np.ndarray | None) -> float | None:
        """What a measure makes of a continuation of clip ``number``, cut or filled up to its length."""
        if sound is None:
            return None
        true = self._truths[number]
        heard = np.pad(sound[: len(true)], (0, max(0, len(true) - len(sound))))
        return measure.score(true, heard, others_of(self._truths, number), self._rate)


def _sound(maker: SoundMaker, source: str, clips: Sequence[Clip], number: int) -> np.ndarray | None:
    """The continuation of a clip; None where its original can no longer be read."""
    if source != _ORIGINAL:
        return maker.continuation(source, clips, number)
    whole = original(clips[number], maker.codec)
    return None if whole is None else whole[round(clips[number].seconds * maker.codec.sample_rate) :]


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None
