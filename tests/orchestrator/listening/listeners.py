"""A run with a panel, and listeners whose habits are known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.judging.preference import FEWEST_LISTENERS
from orchestrator.listening.pages import Page, pages
from orchestrator.listening.panel import (
    COPY,
    FROZEN,
    PANEL_FOLDER,
    SEALED,
    WALK,
    Kind,
    Method,
    Panel,
    Trial,
    key_hash,
    panel_trials,
    rating_trials,
    write_panel,
)
from orchestrator.records.evidence import Evidence
from orchestrator.records.journal import Journal
from tests.orchestrator.synthetic_evidence import Truth, evidence
from trainables.listening.decode import wav_bytes

ARM, VERSUS = "vmf", "mdn"
RATE = 8000
GOOD = {"mdn": Truth(cos=(0.7, 0.2), ratio=(0.5, 0.05), quality=0.3), "vmf": Truth(quality=0.4)}


def tones(trials: Sequence[Trial], seconds: float = 0.15, rate: int = RATE) -> dict[str, bytes]:
    """A tone for every sound of some trials, all equally long; identical ones are equal."""
    times = np.arange(round(seconds * rate)) / rate
    sources = sorted({(t.utterance_id, source) for t in trials for source in t.sources})
    pitch = {source: 200 + 40 * number for number, source in enumerate(sources)}
    return {
        name: wav_bytes(0.3 * np.sin(2 * np.pi * pitch[t.utterance_id, source] * times), rate)
        for t in trials
        for name, source in zip(t.sounds, t.sources, strict=True)
    }


def panel_of(
    pairs: int = 12,
    most_bytes: int = 25_000_000,
    seconds: float = 0.15,
    rate: int = RATE,
    method: Method = Method.PREFERENCE,
) -> tuple[Panel, list[Trial], list[Page]]:
    """A panel of tones with its trials and pages."""
    make_trials = panel_trials if method is Method.PREFERENCE else rating_trials
    trials = make_trials([f"utterance-{i:02d}" for i in range(pairs)], ARM, VERSUS, secret="known")
    sounds = tones(trials, seconds, rate)
    panel = Panel(
        study="vmf_vs_mdn",
        seal="",
        arm=ARM,
        versus=VERSUS,
        listeners=FEWEST_LISTENERS,
        method=method,
        trials=tuple(t.name for t in trials),
        clips={name: hashlib.sha256(wav).hexdigest() for name, wav in sounds.items()},
        key=key_hash(trials),
    )
    return panel, trials, pages(panel, trials, sounds, most_bytes)


def run_with_panel(folder: Path, record: Evidence | None = None, **how: Any) -> tuple[Path, list[Trial]]:
    """A judged run of known evidence that has a panel."""
    run = folder / "run"
    run.mkdir()
    (record or evidence(GOOD, codec="soundstream")).write(run / "evidence.json")
    panel, trials, written = panel_of(**how)
    write_panel(run / PANEL_FOLDER, panel, trials)
    Journal(run).append(SEALED, panel=panel.hash, pages={p.digest: list(p.trials) for p in written})
    return run, trials


# What a listener says of a trial: the sound preferred, or "none".
Habit = Callable[[Trial, np.random.Generator], Any]


def prefers(share: float, *, careful: bool = True) -> Habit:
    """A listener who prefers the arm in a share of pairs; a careful one passes all catch trials."""

    def says(trial: Trial, rng: np.random.Generator) -> str:
        if trial.kind is Kind.IDENTICAL:
            return "none" if careful else trial.sounds[0]
        if trial.kind is Kind.RANDOM:
            right = trial.sources.index(COPY)
            return trial.sounds[right if careful else 1 - right]
        return trial.sounds[trial.sources.index(ARM if rng.random() < share else VERSUS)]

    return says


def rates(share: float, *, careful: bool = True) -> Habit:
    """A listener who rates the arm higher in a share of trials; a careful one finds the hidden reference."""

    def says(trial: Trial, rng: np.random.Generator) -> dict[str, int]:
        ahead = ARM if rng.random() < share else VERSUS
        given = {COPY: 98 if careful else 60, WALK: 5, FROZEN: 15, ARM: 40, VERSUS: 40} | {ahead: 55}
        return {sound: given[source] for sound, source in zip(trial.sounds, trial.sources, strict=True)}

    return says


def always_left(trial: Trial, rng: np.random.Generator) -> str:
    """A listener who presses the left button, wherever the sounds were put."""
    return trial.sounds[int(rng.random() < 0.5)]


def answer_file(
    run: Path, trials: Sequence[Trial], listener: str, says: Habit, seed: int = 0, page: int = 0
) -> Path:
    """The file of a listener's answers to one page, as the page writes it."""
    event = Journal(run).events(SEALED)[-1]
    digest, asked = list(event["pages"].items())[page]
    rng = np.random.default_rng([seed, page])
    choices = {t.name: says(t, rng) for t in trials if t.name in asked}
    folder = run.parent / "answers"
    folder.mkdir(exist_ok=True)
    path = folder / f"{listener}-{page}.json"
    content = {"panel": event["panel"], "page": digest, "listener": listener, "choices": choices}
    path.write_text(json.dumps(content))
    return path


def panel_answers(run: Path, trials: Sequence[Trial], habits: Sequence[Habit]) -> list[Path]:
    """The files of several listeners, each with a habit of their own."""
    return [answer_file(run, trials, f"L{i}", habit, seed=i) for i, habit in enumerate(habits)]
