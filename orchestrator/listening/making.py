"""A panel for a run: sealed, then written as pages that are sent to listeners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from orchestrator.inspection.clips import kind_of_sound
from orchestrator.judging.preference import asked_of_listeners
from orchestrator.listening.machine_hearing import in_favour
from orchestrator.listening.pages import pages
from orchestrator.listening.panel import (
    PANEL_FOLDER,
    SEALED,
    Method,
    Panel,
    key_hash,
    new_secret,
    panel_trials,
    rating_trials,
    write_panel,
)
from orchestrator.listening.sounds import SoundMaker
from orchestrator.records.evidence import Evidence
from orchestrator.records.journal import Journal
from orchestrator.records.seal import seal_hash
from orchestrator.records.study_file import study_of_record
from orchestrator.runtime.atomic_files import write_atomically
from search_spaces.study import Study
from trainables.errors import InputError


@dataclass(frozen=True)
class Made:
    """A panel that was made: its study, how many pairs it asks for, and the pages to send."""

    study: Study
    pairs: int
    trials: int
    pages: tuple[Path, ...]


def make_panel(
    run: Path,
    pairs: int,
    listeners: int,
    advance: Callable[[int, int], None],
    *,
    method: Method = Method.PREFERENCE,
    again: bool = False,
    file: Path | None = None,
) -> Made:
    """Choose clips, seal the panel in the run's journal, and write its pages into the run's folder.

    Args:
        run: a judged run folder.
        pairs: utterances to be heard, at most.
        listeners: how many are to be asked.
        advance: gets how many trials have their sounds, of how many.
        method: how they are asked.
        again: whether a panel that was made before is replaced; its answers then no longer count.
        file: that declares the study, where that is a user's own.

    Raises:
        InputError: the study asks nothing of listeners, the run has nothing that can be heard, or it has a
            panel already.
    """
    evidence, journal = Evidence.read(run / "evidence.json"), Journal(run)
    study = study_of_record(evidence.study, file)
    criterion = asked_of_listeners(study)
    if criterion is None or criterion.versus is None:
        raise InputError(
            f"the study {study.name!r} asks nothing of listeners; `listen play` lets you hear its run"
        )
    if journal.events(SEALED) and not again:
        raise InputError(
            f"{run} has a listening test already; --again replaces it, and its answers no longer count"
        )
    arms = (criterion.arm, criterion.versus)
    maker, secret = SoundMaker(run, evidence, arms), new_secret()
    clips = maker.clips(pairs)
    make_trials = panel_trials if method is Method.PREFERENCE else rating_trials
    trials = make_trials([clip.utterance_id for clip in clips], *arms, secret)
    sounds = maker.sounds(trials, clips, advance)
    machines = in_favour(maker, clips, *arms)  # before anyone hears anything
    panel = Panel(
        study=study.name,
        seal=seal_hash(evidence.seal) if evidence.seal else "",
        arm=criterion.arm,
        versus=criterion.versus,
        listeners=listeners,
        method=method,
        trials=tuple(trial.name for trial in trials),
        clips={name: sha256(wav).hexdigest() for name, wav in sorted(sounds.items())},
        key=key_hash(trials),
    )
    written = pages(panel, trials, sounds, what=kind_of_sound(maker.codec.name))
    folder = run / PANEL_FOLDER
    write_panel(folder, panel, trials)
    journal.append(
        SEALED,
        panel=panel.hash,
        pages={page.digest: list(page.trials) for page in written},
        machines=machines,
    )
    paths = []
    for number, page in enumerate(written, 1):
        name = "listen.html" if len(written) == 1 else f"listen-{number}.html"
        paths.append(write_atomically(folder / name, page.html))
    return Made(study, len(clips), len(trials), tuple(paths))
