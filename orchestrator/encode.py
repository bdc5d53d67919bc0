"""`python -m orchestrator.encode`: a folder of speech into latents that studies can run on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestrator.datasets.description import LatentsAnswer, latents_answer
from orchestrator.reporting.terminal_table import print_table
from orchestrator.representations.corpus_report import CorpusAnswer, print_corpus, warn
from orchestrator.representations.encoded_folder import (
    NOTHING_ENCODED,
    contents_table,
    encode_into,
    held,
    open_if_present,
    recordings_to_encode,
    require_limit,
)
from orchestrator.representations.encoding_ledger import EncodingLedger, name_left_out
from orchestrator.representations.encoding_progress import EncodeProgress
from orchestrator.representations.track_making import TracksWhen, make_tracks_of
from orchestrator.runtime import cli
from trainables.errors import InputError
from trainables.latents.codec_registry import NAMES, load_codec
from trainables.latents.codecs.base import Codec
from trainables.latents.speech.corpus import Corpus, find_corpus
from trainables.latents.speech.same_audio import require_distinct_audio
from trainables.latents.storage.parquet_file import of_control_world

EXAMPLE = "python -m orchestrator.encode speech --representation logmel --out latents"


def encode(
    source: Annotated[Path, typer.Argument(help="Folder of audio, in one of the layouts above.")],
    representation: Annotated[str | None, typer.Option(help=f"One of {NAMES}.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for latents; what it holds is not redone.")] = None,
    weights: Annotated[str | None, typer.Option(help="File, folder or hub id of weights.")] = None,
    limit: Annotated[
        int | None, typer.Option(help="Most utterances to encode, dealt over all splits.")
    ] = None,
    speaker_from: Annotated[
        str | None,
        typer.Option(
            help="Regular expression whose group finds the speaker in a path below SOURCE, such as "
            "'/(p[0-9]+)_', where no layout says who speaks."
        ),
    ] = None,
    tracks: Annotated[
        TracksWhen,
        typer.Option(help="When energy, pitch and spectral flux are measured: once something asks, or now."),
    ] = TracksWhen.LATER,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what SOURCE was understood to be, and encode nothing.")
    ] = False,
) -> LatentsAnswer | CorpusAnswer:
    """Encode a folder of speech into latents whose splits share no speaker.

    SOURCE is LibriSpeech (any part of it), LibriTTS, MLS, VCTK or Common Voice, or holds a metadata.csv
    (utterance_id, speaker_id, path and optionally split), or has one folder per speaker. Files that cannot be
    read are named at the end, and tried again once they have changed.

    The exit code is 0 once OUT holds latents of SOURCE, 1 if no file could be encoded, 2 for wrong input.
    """
    require_limit(limit)
    if not dry_run and (representation is None or out is None):
        missing = "--representation" if representation is None else "--out"
        raise InputError(f"{missing} is missing; give it, or --dry-run to see what {source} holds")
    if representation is not None and of_control_world(representation):
        raise InputError(
            f"--representation {representation} is a control world, which holds no recordings; do not encode "
            f"it, but give it as --latents {representation}"
        )
    corpus = find_corpus(source, speaker_from)
    if dry_run or representation is None or out is None:
        return print_corpus(corpus, source, limit)
    warn(corpus.warnings)
    codec = load_codec(representation, weights)
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    with held(out):
        _encode_missing(out, codec, corpus, source, limit)
        name_left_out(corpus)
        encoded = open_if_present(out)
    if encoded is None:
        typer.echo(f"nothing could be encoded; {out} holds no latents", err=True)
        raise typer.Exit(NOTHING_ENCODED)
    if tracks == TracksWhen.NOW:
        make_tracks_of(out)
    print_table(Console(), contents_table(encoded))
    return latents_answer(encoded)


def _encode_missing(out: Path, codec: Codec, corpus: Corpus, source: Path, limit: int | None) -> None:
    left = recordings_to_encode(codec, corpus, source, out, limit)
    if left:
        warn(require_distinct_audio(corpus.first(limit)))
        from orchestrator.runtime.ray_cluster import connected

        progress = EncodeProgress(len(left), Console(stderr=True, soft_wrap=True))
        with progress, connected(None) as cluster:
            encode_into(out, left, codec, corpus, source, cluster, progress)
    wanted, ledger = corpus.first(limit), EncodingLedger(out)
    if not left:
        held_already = sum(not ledger.failed(recording) for recording in wanted)
        typer.echo(f"{out} already holds all {held_already} utterances; none encoded")
    ledger.name_all(wanted)


def main() -> None:
    """The command."""
    cli.run(encode, EXAMPLE)


if __name__ == "__main__":
    main()
