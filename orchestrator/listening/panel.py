"""What a panel of listeners is asked, fixed before anyone hears anything.

A trial plays two sounds. In a preference trial they are an arm's and its rival's continuation of the same
speech; catch trials have a right answer. Names in trials say nothing of arms: which sound is whose stands in
the key, which never leaves the run folder.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.judging.preference import FEWEST_LISTENERS
from orchestrator.records.seal import seal_hash
from orchestrator.runtime.atomic_files import write_atomically
from trainables.errors import InputError

PANEL_FOLDER = "listening"  # within a run folder
PANEL_FILE, KEY_FILE = "panel.json", "key.json"
SEALED = "panel sealed"  # the event in a run's journal
RATED_TEST = (
    "share preferred, ties halved; two-way random effects over listeners and utterances, t interval with "
    "Satterthwaite's degrees of freedom"
)
LEAST_FOR_REFERENCE, MOST_MISSED = 90, 0.15  # of ITU-R BS.1534-3, section 4.1.2


class Method(StrEnum):
    """How listeners are asked."""

    PREFERENCE = "preference"  # which of two sounds is better, or neither
    RATING = "rating"  # each of several from 0 to 100, a hidden reference and anchors among them


EXCLUSIONS_OF = {
    Method.PREFERENCE: (
        "A listener is left out who prefers a random walk to the codec's copy of true speech in any trial, "
        "or says of identical sounds, more often than not, that one is better."
    ),
    Method.RATING: (
        f"A listener is left out who rates the hidden reference below {LEAST_FOR_REFERENCE} in more than "
        f"{100 * MOST_MISSED:.0f} % of trials (ITU-R BS.1534-3)."
    ),
}


class Kind(StrEnum):
    """What a trial is for."""

    PREFERENCE = "preference"  # an arm against its rival
    REPEAT = "repeat"  # a preference trial once more, its sounds under other names: shows consistency
    IDENTICAL = "identical"  # one sound twice: no difference is right
    RANDOM = "random"  # the codec's copy of true speech against a random walk: the copy is right
    RATING = "rating"  # both arms, the codec's copy as a hidden reference, and two anchors


@dataclass(frozen=True)
class Trial:
    """Sounds of the same speech, two or more, in an order that means nothing."""

    name: str
    kind: Kind
    utterance_id: str
    sounds: tuple[str, ...]  # opaque names
    sources: tuple[str, ...]  # what they are: arms, or one of the names below


# Sources that are no arms.
COPY, WALK, FROZEN = "codec's copy", "random walk", "frozen frame"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A listening test as it is sealed.

    Attributes:
        study: its name.
        seal: hash of the sealed plan of the run; empty where it has none.
        arm: whose share of preferences is asked for.
        versus: its rival.
        listeners: how many are to be asked.
        method: how.
        trials: in no order; each listener hears them in one of their own.
        clips: SHA-256 of every sound, by its opaque name.
        key: SHA-256 of the key.
    """

    study: str
    seal: str
    arm: str
    versus: str
    listeners: int
    method: Method
    trials: tuple[str, ...]
    clips: Mapping[str, str]
    key: str
    test: str = RATED_TEST
    fewest: int = FEWEST_LISTENERS

    @property
    def exclusion(self) -> str:
        """Whose answers do not count."""
        return EXCLUSIONS_OF[self.method]

    @property
    def hash(self) -> str:
        """Names this panel: SHA-256 of all that is sealed, in hex."""
        return seal_hash({**asdict(self), "exclusion": self.exclusion})


def panel_trials(
    utterances: Sequence[str], arm: str, versus: str, secret: str, *, catches: int = 2
) -> list[Trial]:
    """A preference trial for every utterance, and ``catches`` catch trials of each kind among them."""
    pairs = [(Kind.PREFERENCE, utterance, (arm, versus)) for utterance in utterances]
    spread = [utterances[i * len(utterances) // catches] for i in range(catches)] if utterances else []
    pairs += [(Kind.REPEAT, utterance, (arm, versus)) for utterance in spread]
    pairs += [(Kind.IDENTICAL, utterance, (COPY, COPY)) for utterance in spread]
    pairs += [(Kind.RANDOM, utterance, (COPY, WALK)) for utterance in spread]
    return _shuffled([_trial(secret, *pair) for pair in pairs], secret)


def rating_trials(utterances: Sequence[str], arm: str, versus: str, secret: str) -> list[Trial]:
    """A trial for every utterance in which both arms are rated beside a hidden reference and two anchors."""
    sources = (arm, versus, COPY, FROZEN, WALK)
    return _shuffled([_trial(secret, Kind.RATING, utterance, sources) for utterance in utterances], secret)


def _trial(secret: str, kind: Kind, utterance: str, sources: tuple[str, ...]) -> Trial:
    sounds = (_opaque(secret, kind, utterance, str(number)) for number in range(len(sources)))
    return Trial(_opaque(secret, kind, utterance, "trial"), kind, utterance, tuple(sounds), sources)


def _shuffled(trials: Sequence[Trial], secret: str) -> list[Trial]:
    """Trials in an order, and with their sounds in one, that do not say what they are."""
    rng = np.random.default_rng(int(_opaque(secret, "order"), 16))
    return [_mixed(trials[i], rng) for i in rng.permutation(len(trials))]


def _mixed(trial: Trial, rng: np.random.Generator) -> Trial:
    order = rng.permutation(len(trial.sounds))
    sounds, sources = (tuple(part[i] for i in order) for part in (trial.sounds, trial.sources))
    return replace(trial, sounds=sounds, sources=sources)


def new_secret() -> str:
    """What opaque names are made with; whoever lacks it cannot tell whose sound a name stands for."""
    return secrets.token_hex(16)


def write_panel(folder: Path, panel: Panel, trials: Sequence[Trial]) -> None:
    """Write what is sealed, and the key, into the ``listening`` folder of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / KEY_FILE, json.dumps(_key(trials), indent=1, ensure_ascii=False))
    sealed = {"hash": panel.hash, "exclusion": panel.exclusion, **asdict(panel)}
    write_atomically(folder / PANEL_FILE, json.dumps(sealed, indent=1, ensure_ascii=False))


def read_panel(folder: Path, sealed_hash: str) -> tuple[Panel, dict[str, Trial]]:
    """The panel of a run and its trials by name.

    Args:
        folder: the ``listening`` folder of the run.
        sealed_hash: of the panel, as the run's journal has it.

    Raises:
        InputError: a file is missing, or is not the one that was sealed.
    """
    try:
        stored = json.loads((folder / PANEL_FILE).read_text())
        del stored["hash"], stored["exclusion"]
        typed = {"trials": tuple(stored["trials"]), "method": Method(stored["method"])}
        panel = Panel(**{**stored, **typed})
        key = json.loads((folder / KEY_FILE).read_text())
        trials = [
            Trial(t["name"], Kind(t["kind"]), t["utterance_id"], tuple(t["sounds"]), tuple(t["sources"]))
            for t in key
        ]
    except FileNotFoundError as error:
        raise InputError(f"{error.filename} is missing; make the panel anew with `listen make`") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{folder} holds no panel that can be read; restore its files") from None
    if panel.hash != sealed_hash:
        raise InputError(f"{folder / PANEL_FILE} is not the panel that was sealed; restore it")
    if key_hash(trials) != panel.key:
        raise InputError(f"{folder / KEY_FILE} is not the key that was sealed with its panel; restore it")
    return panel, {trial.name: trial for trial in trials}


def key_hash(trials: Sequence[Trial]) -> str:
    """SHA-256 (hex) of the key to trials."""
    return seal_hash(_key(trials))


def _key(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    return [asdict(trial) for trial in trials]


def _opaque(secret: str, *parts: str) -> str:
    return hashlib.sha256("/".join((secret, *parts)).encode()).hexdigest()[:12]
