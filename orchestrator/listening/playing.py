"""A page to hear a run by: every exhibit with its arms named, and their rollouts beside them."""

from __future__ import annotations

from pathlib import Path

from orchestrator.lifecycle.rejudge import judged
from orchestrator.listening.machine_hearing import CLIPS, measured
from orchestrator.listening.panel import PANEL_FOLDER
from orchestrator.listening.sounds import SoundMaker
from orchestrator.reporting.rollout_figures import CAPTIONS, rollout_curves
from orchestrator.reporting.run_sections import listening_section
from orchestrator.reporting.templating import render
from orchestrator.runtime.atomic_files import write_atomically
from trainables.errors import InputError


def write_play_page(run_folder: Path, file: Path | None = None) -> Path:
    """Write the page into a run's ``listening`` folder and return its path.

    Args:
        file: that declares the study, where that is a user's own.

    Raises:
        InputError: the folder holds no evidence, or the run has nothing to be heard.
    """
    run = judged(run_folder, file)
    if not run.evidence.exhibits:
        raise InputError(f"{run_folder} has no exhibit: its latents have no decoder, or it was not confirmed")
    arms = [name for name in run.arms if run.measures.finished(name)]
    try:
        maker = SoundMaker(run_folder, run.evidence, arms)
        heard, missing = measured(maker, maker.clips(CLIPS), arms), ""
    except InputError as error:  # the latents or weights have gone; what was kept can still be heard
        heard, missing = None, str(error)
    page = render(
        "play.html",
        measures=heard,
        missing=missing,
        title=f"Listen to {run.study.name}: {run.judgement.verdict}",
        figures=rollout_curves(run),
        captions=CAPTIONS,
        heard=listening_section(run).html,
    )
    folder = run_folder / PANEL_FOLDER
    folder.mkdir(exist_ok=True)
    return write_atomically(folder / "play.html", page)
