"""Continuations as files: sounds with a page to hear them beside each other, or latents."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from orchestrator.generate.making import Continuation
from orchestrator.records.evidence import Exhibit
from orchestrator.reporting.run_sections import clips_section
from orchestrator.reporting.templating import render
from orchestrator.runtime.atomic_files import write_atomically
from trainables.latents.codecs.base import Codec
from trainables.predictor.exported import LatentUnits

CodecOf = Callable[[LatentUnits], Codec]
SOUND, LATENTS = ".wav", ".npy"
_COLUMNS = ("continuation", "of the study", "its verdict", "trained with seed", "feedback", "temperature")
_COPY = "codec reconstruction"


def write_latents(made: Sequence[Continuation], out: Path) -> list[Path]:
    """Write the latents of each continuation, float32 [K, D], as NumPy files, and return their paths."""
    paths = []
    for each in made:
        file = io.BytesIO()
        np.save(file, each.latents_KD.astype(np.float32))
        paths.append(write_atomically(_place(out, each, made), file.getvalue()))
    return paths


def write_sounds(made: Sequence[Continuation], out: Path, codec_of: CodecOf) -> list[Path]:
    """Write a WAV file of each continuation, with what was read before it, and one page to hear them all.

    Args:
        made: the continuations.
        out: where the sound lies of a single one; of several, the names of arm and seed are added.
        codec_of: gives the codec of latents.

    Returns:
        The paths of the sounds, and last that of the page.
    """
    sounds = [each.wav(codec_of(each.predictor.units)) for each in made]
    paths = [write_atomically(_place(out, each, made), wav) for each, wav in zip(made, sounds, strict=True)]
    exhibits: dict[tuple[LatentUnits, int], Exhibit] = {}
    for each, wav in zip(made, sounds, strict=True):
        units, context = each.predictor.units, each.context
        key = (units, each.reads)
        if key not in exhibits:
            copy = each.copy(codec_of(units))
            clips = {} if copy is None else {_COPY: copy}
            seconds = each.reads / units.frame_rate
            exhibits[key] = Exhibit(context.utterance_id, context.speaker_id, seconds, clips)
        exhibits[key].clips[each.name] = wav
    page = render(
        "generated.html",
        Path(__file__).parent / "templates",
        title=f"{made[0].context.utterance_id}, continued",
        heard=clips_section(list(exhibits.values()), made[0].predictor.units.representation).html,
        columns=_COLUMNS,
        rows=[_row(each) for each in made],
    )
    return [*paths, write_atomically(out.with_suffix(".html"), page)]


def _place(out: Path, each: Continuation, made: Sequence[Continuation]) -> Path:
    return out if len(made) == 1 else out.with_name(f"{out.stem}-{each.file_part}{out.suffix}")


def _row(each: Continuation) -> list[str]:
    origin = each.predictor.origin
    return [
        each.name,
        str(origin.get("study", "")),
        str(origin.get("verdict", "not judged")),
        str(origin.get("seed", "")),
        each.feedback,
        "–" if each.temperature is None else f"{each.temperature:g}",
    ]
