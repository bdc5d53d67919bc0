"""Every representation of a corpus, each encoded or derived into a folder of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer
from rich.console import Console

from orchestrator.representations.catalogue import Representation
from orchestrator.representations.codec_weights import CodecWeights, family
from orchestrator.representations.derivation import derive_dataset
from orchestrator.representations.encoded_folder import (
    encode_into,
    open_if_present,
    recordings_to_encode,
)
from orchestrator.representations.encoding_progress import EncodeProgress
from orchestrator.representations.inventory import Stopwatch, hours_of_speech
from trainables.errors import InputError
from trainables.latents.codecs.base import Codec
from trainables.latents.derived.transform import TRANSFORM_FILE, Transform
from trainables.latents.speech.corpus import Corpus, Recording

if TYPE_CHECKING:
    from orchestrator.representations.encoding_stream import PitchTracks


def make_all(
    representations: Sequence[Representation],
    weights: CodecWeights,
    corpus: Corpus,
    source: Path,
    out: Path,
    limit: int | None,
) -> None:
    """Make all given representations of a corpus: encode first, then derive; name those that are left out.

    Raises:
        InputError: the weights given for one of the codecs are not what it needs.
    """
    codecs = [r for r in representations if r.expression is None]
    jobs = [_encoding_job(r, weights, corpus, source, out, limit) for r in codecs]
    _encode_all([job for job in jobs if job], corpus, source)
    for representation in representations:
        if representation.expression is not None:
            derive_one(representation, representation.expression, out)


class _Job(NamedTuple):
    codec: Codec
    recordings: list[Recording]
    folder: Path


def _encoding_job(
    representation: Representation,
    weights: CodecWeights,
    corpus: Corpus,
    source: Path,
    out: Path,
    limit: int | None,
) -> _Job | None:
    """The recordings left to encode with one codec; None where none are left, or it cannot be loaded."""
    name, folder = representation.name, out / representation.folder
    try:
        codec = weights.codec(name)
        left = recordings_to_encode(codec, corpus, source, folder, limit)
    except InputError as error:
        if family(name) in weights.given:  # weights that the user named are wrong input: nothing is done
            raise
        _left_out(name, str(error))
        return None
    return _Job(codec, left, folder) if left else None


def _encode_all(jobs: Sequence[_Job], corpus: Corpus, source: Path) -> None:
    if not jobs:
        return
    from orchestrator.runtime.ray_cluster import connected

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    pitch: PitchTracks = {}  # the pitch of an utterance is tracked once, not for every codec
    with connected(None) as cluster:
        for codec, recordings, folder in jobs:
            console.print(f"{codec.name}{f' ({codec.note})' if codec.note else ''}", markup=False)
            with EncodeProgress(len(recordings), console) as progress:
                watch = Stopwatch(folder)
                try:
                    encode_into(folder, recordings, codec, corpus, source, cluster, progress, watch, pitch)
                except InputError as error:
                    _left_out(codec.name, str(getattr(error, "cause", error)))


def derive_one(representation: Representation, expression: str, out: Path) -> None:
    """Derive one representation from its base in ``out``, or say on stderr why it is left out."""
    name, folder = representation.name, out / representation.folder
    base = open_if_present(out / Representation(representation.codec).folder)
    if base is None:
        return _left_out(name, f"it is derived from {representation.codec}, which {out} does not hold")
    if (folder / TRANSFORM_FILE).exists() and Transform.load(folder).base_hash != base.content_hash:
        return _left_out(
            name,
            f"{folder} was derived before {base.root} got its present contents; delete it and run this again",
        )
    watch, began = Stopwatch(folder), time.monotonic()
    before = hours_of_speech(open_if_present(folder))
    try:
        derive_dataset(str(base.root), expression, folder, {})
    except InputError as error:
        _left_out(name, str(error))
    finally:
        if (new := hours_of_speech(open_if_present(folder)) - before) > 0:
            watch(time.monotonic() - began, 3600 * new)


def _left_out(name: str, why: str) -> None:
    typer.echo(f"left out: {name}: {why}", err=True)
