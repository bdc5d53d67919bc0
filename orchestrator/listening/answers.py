"""Answers of listeners: they come from outside, are read with suspicion, and checked against their panel."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.listening.panel import COPY, LEAST_FOR_REFERENCE, MOST_MISSED, Kind, Panel, Trial
from trainables.errors import InputError

NO_DIFFERENCE = "none"
_HIGHEST = 100  # rating
_MOST_BYTES = 1_000_000
_LISTENER = re.compile(r"[\w.-]{1,40}")


@dataclass(frozen=True)
class Answers:
    """What one listener said of every trial of a panel: the sound preferred, or "none"; or of every sound how
    good it is, from 0 to 100.
    """

    listener: str
    choices: Mapping[str, str | Mapping[str, int]]

    def preferred(self, trial: Trial) -> str | None:
        """The source of the preferred sound of a trial; None where there was no difference."""
        choice = str(self.choices[trial.name])
        return None if choice == NO_DIFFERENCE else trial.sources[trial.sounds.index(choice)]

    def ratings(self, trial: Trial) -> dict[str, int]:
        """How good the sounds of a trial are, by their source."""
        given = self.choices[trial.name]
        assert not isinstance(given, str)
        return {source: given[sound] for sound, source in zip(trial.sounds, trial.sources, strict=True)}


def read_answers(
    path: Path, panel: Panel, pages: Mapping[str, Sequence[str]], trials: Mapping[str, Trial]
) -> tuple[str, Answers]:
    """The digest of the page that a file answers, and the answers to its trials.

    Args:
        path: of the file that the page wrote.
        pages: names of the trials of each page of this panel, by the page's digest.
        trials: of the panel, by name.

    Raises:
        InputError: the file cannot be read, or answers another panel, an altered page, or not all of it.
    """
    content = _content(path)
    if content.get("panel") != panel.hash:
        raise InputError(f"{path} answers another panel than that of this run; leave it out")
    page = content.get("page")
    if not isinstance(page, str) or page not in pages:
        raise InputError(f"{path} was given on an altered page; leave it out, and send the page again")
    listener, choices = content.get("listener"), content.get("choices")
    if not isinstance(listener, str) or not _LISTENER.fullmatch(listener):
        raise InputError(f"{path}: listener has to be a code of up to 40 letters, digits, dots and dashes")
    asked = pages[page]
    if not isinstance(choices, dict) or set(choices) != set(asked):
        raise InputError(f"{path} does not answer each of its {len(asked)} trials once; let it be finished")
    for name in asked:
        if not _answers(choices[name], trials[name]):
            raise InputError(f"{path}: trial {name} has an answer to none of its sounds; leave the file out")
    return page, Answers(listener, choices)


def _answers(given: Any, trial: Trial) -> bool:
    """Whether something is an answer to a trial."""
    if trial.kind is not Kind.RATING:
        return given in (*trial.sounds, NO_DIFFERENCE)
    return (
        isinstance(given, dict)
        and set(given) == set(trial.sounds)
        and all(type(value) is int and 0 <= value <= _HIGHEST for value in given.values())
    )


def _content(path: Path) -> dict[str, Any]:
    try:
        written = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else None
        content = None if written is None else json.loads(written.decode())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); name files of answers") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path} is not a file of answers; name files that the page has written") from None
    if written is None:
        raise InputError(f"{path} has over {_MOST_BYTES // 1_000_000} MB, which no page writes; leave it out")
    if not isinstance(content, dict):
        raise InputError(f"{path} is not a file of answers; name files that the page has written")
    return content


def why_left_out(answers: Answers, trials: Mapping[str, Trial]) -> str:
    """Why a listener is left out by the sealed rule; empty where they pass."""
    rated = [answers.ratings(trial)[COPY] for trial in trials.values() if trial.kind is Kind.RATING]
    missed = sum(rating < LEAST_FOR_REFERENCE for rating in rated)
    if missed > MOST_MISSED * len(rated):
        below = f"rated the hidden reference below {LEAST_FOR_REFERENCE}"
        return f"{below} in {missed} of {len(rated)} trials"
    random = [trial for trial in trials.values() if trial.kind is Kind.RANDOM]
    wrong = sum(answers.preferred(trial) not in (COPY, None) for trial in random)
    if wrong:
        return f"preferred a random walk to true speech in {wrong} of {len(random)} trials"
    identical = [trial for trial in trials.values() if trial.kind is Kind.IDENTICAL]
    heard = sum(answers.preferred(trial) is not None for trial in identical)
    if 2 * heard > len(identical):
        return f"heard a difference between identical sounds in {heard} of {len(identical)} trials"
    return ""


def consistency(answers: Answers, trials: Mapping[str, Trial]) -> float | None:
    """The share of repeated trials that a listener answered as the first time; None without any."""
    first = {t.utterance_id: t for t in trials.values() if t.kind is Kind.PREFERENCE}
    again = [t for t in trials.values() if t.kind is Kind.REPEAT]
    same = [answers.preferred(t) == answers.preferred(first[t.utterance_id]) for t in again]
    return sum(same) / len(same) if same else None


def preferences(answers: Answers, trials: Mapping[str, Trial], arm: str, versus: str) -> dict[str, float]:
    """By utterance, whether a listener preferred an arm to its rival, or rated it higher: 1, 0, or half where
    there was no difference.
    """
    shares = {}
    for trial in trials.values():
        if trial.kind is Kind.RATING:
            shares[trial.utterance_id] = _share(answers.ratings(trial), arm, versus)
        elif trial.kind is Kind.PREFERENCE:
            who = answers.preferred(trial)
            shares[trial.utterance_id] = 0.5 if who is None else float(who == arm)
    return shares


def _share(ratings: Mapping[str, int], arm: str, versus: str) -> float:
    return 0.5 + 0.5 * ((ratings[arm] > ratings[versus]) - (ratings[arm] < ratings[versus]))
