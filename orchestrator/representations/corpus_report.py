"""What a source was understood to be, before anything is encoded: layout, speakers, splits, seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypedDict

import typer
from rich.console import Console

from orchestrator.reporting.terminal_table import TerminalTable, print_table
from orchestrator.representations.encoding_ledger import name_left_out, print_lines
from trainables.errors import reason_of
from trainables.latents.speech.corpus import Corpus, Recording
from trainables.latents.speech.recorded_audio import examine
from trainables.latents.speech.same_audio import require_distinct_audio
from trainables.latents.storage.parquet_file import SPLITS

_THREADS = 4  # decoding leaves Python to others
_NAMED = 12  # speakers of a split


class CorpusAnswer(TypedDict):
    """What a folder of audio was understood to be, and how much of it would be encoded, by split."""

    source: str
    layout: str
    recordings: dict[str, int]
    speakers: dict[str, int]
    seconds: dict[str, float]
    not_encoded: int


def print_corpus(corpus: Corpus, source: Path, limit: int | None) -> CorpusAnswer:
    """Print what ``source`` was understood to be; every file is read, and nothing is written.

    Raises:
        InputError: the same audio is under two speakers or in two splits.
    """
    recordings = corpus.first(limit)
    typer.echo(f"{source}: {corpus.layout}")
    with ThreadPoolExecutor(_THREADS) as pool:
        examined = list(pool.map(_examined, recordings))
    table = TerminalTable("what would be encoded", ("split", "recordings", "speakers", "seconds"))
    speakers: dict[str, dict[str, float]] = {split: defaultdict(float) for split in SPLITS}
    counts: dict[str, int] = dict.fromkeys(SPLITS, 0)
    for recording, (seconds, failure, _) in zip(recordings, examined, strict=True):
        if not failure:
            speakers[recording.split][recording.speaker_id] += seconds
            counts[recording.split] += 1
    for split in SPLITS:
        own = speakers[split]
        table.add(split, str(counts[split]), str(len(own)), f"{sum(own.values()):.1f}")
    print_table(Console(), table)
    for split in SPLITS:
        names = sorted(speakers[split])
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        typer.echo(f"{split}: {', '.join(names[:_NAMED]) or 'nobody'}{more}")
    failed = [(r.path, found[1]) for r, found in zip(recordings, examined, strict=True) if found[1]]
    print_lines("would not be encoded: ", failed)
    print_lines(
        "noted: ", [(r.path, found[2]) for r, found in zip(recordings, examined, strict=True) if found[2]]
    )
    name_left_out(corpus)
    warn(corpus.warnings)
    warn(require_distinct_audio(recordings))
    typer.echo(f"{len(recordings) - len(failed)} of {len(recordings)} recordings would be encoded")
    return {
        "source": str(source),
        "layout": str(corpus.layout),
        "recordings": {str(split): count for split, count in counts.items()},
        "speakers": {str(split): len(found) for split, found in speakers.items()},
        "seconds": {str(split): sum(found.values()) for split, found in speakers.items()},
        "not_encoded": len(failed),
    }


def warn(sentences: Sequence[str]) -> None:
    """Print sentences of warning on stderr."""
    for sentence in sentences:
        typer.echo(f"warning: {sentence}", err=True)


def _examined(recording: Recording) -> tuple[float, str, str]:
    """The seconds of a recording, why it cannot be encoded, and what is noted of it; texts may be empty."""
    try:
        seconds, notes = examine(recording.path)
        return seconds, "", "; ".join(notes)
    except Exception as error:  # as encoding does: whatever a file does to a reader costs that file alone
        return 0.0, reason_of(error), ""
