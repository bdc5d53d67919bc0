"""Every representation of a corpus, each encoded or derived into a folder of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import typer
from rich.console import Console

from orchestrator.representations.catalogue import Representation
from orchestrator.representations.codec_weights import CodecWeights, family
from orchestrator.representations.corpus_report import warn
from orchestrator.representations.derivation import derive_dataset
from orchestrator.representations.encoded_folder import (
    encode_into,
    held,
    open_if_present,
    recordings_to_encode,
)
from orchestrator.representations.encoding_ledger import EncodingLedger
from orchestrator.representations.encoding_progress import EncodeProgress
from orchestrator.representations.inventory import Stopwatch, hours_of_speech
from trainables.errors import InputError
from trainables.latents.codecs.base import Codec
from trainables.latents.derived.transform import TRANSFORM_FILE, Transform
from trainables.latents.speech.corpus import Corpus
from trainables.latents.speech.same_audio import require_distinct_audio


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
    _encode_all([job for job in jobs if job], corpus, source, limit)
    for representation in representations:
        if representation.expression is not None:
            derive_one(representation, representation.expression, out)


class _Job(NamedTuple):
    codec: Codec
    folder: Path


def _encoding_job(
    representation: Representation,
    weights: CodecWeights,
    corpus: Corpus,
    source: Path,
    out: Path,
    limit: int | None,
) -> _Job | None:
    """The encoding with one codec; None where no recordings are left to encode, or it cannot be loaded."""
    name, folder = representation.name, out / representation.folder
    try:
        codec = weights.codec(name)
        with held(folder):
            left = recordings_to_encode(codec, corpus, source, folder, limit)
    except InputError as error:
        if family(name) in weights.given:  # weights that the user named are wrong input: nothing is done
            raise
        _left_out(name, str(error))
        return None
    if not left:
        EncodingLedger(folder).name_all(corpus.first(limit))
    return _Job(codec, folder) if left else None


def _encode_all(jobs: Sequence[_Job], corpus: Corpus, source: Path, limit: int | None) -> None:
    if not jobs:
        return
    wanted = corpus.first(limit)
    warn(require_distinct_audio(wanted))
    from orchestrator.runtime.ray_cluster import connected

    console = Console(stderr=True, soft_wrap=True, highlight=False)
    with connected(None) as cluster:
        for codec, folder in jobs:
            console.print(f"{codec.name}{f' ({codec.note})' if codec.note else ''}", markup=False)
            try:
                with held(folder):
                    left = recordings_to_encode(codec, corpus, source, folder, limit)
                    if not left:  # another process has encoded them
                        continue
                    with EncodeProgress(len(left), console) as progress:
                        watch = Stopwatch(folder)
                        encode_into(folder, left, codec, corpus, source, cluster, progress, watch)
                    EncodingLedger(folder).name_all(wanted)
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
