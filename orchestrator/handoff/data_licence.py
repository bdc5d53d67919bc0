"""The licence of the recordings that a predictor was trained on, as far as it can be known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainables.errors import InputError
from trainables.latents.speech.corpus import find_corpus
from trainables.latents.storage.parquet_file import of_control_world

# Corpora that name their licence, by the layout in which they are recognised.
_OF_LAYOUTS = {
    "LibriSpeech": "CC BY 4.0, where the recordings are LibriSpeech's, whose layout they have",
    "Common Voice": "CC0 1.0, where the recordings are Common Voice's, whose layout they have",
}
_ABOVE = 2  # folders above the source in which a corpus may keep its licence
_QUOTED = 300  # characters of such a file
_UNKNOWN = "unknown; ask whoever made the recordings before you share what was trained on them"


def licence_of(data: Mapping[str, Any]) -> str:
    """The licence of a run's data, in words.

    A file called LICENSE or LICENCE beside the recordings counts first, then the licence of the corpus whose
    layout they have. Frames of a control world are made, and nobody's.

    Args:
        data: the description of the latents, as the record of a run holds it.
    """
    if of_control_world(str(data.get("representation", ""))):
        return "none needed; the frames of a control world are made by this software"
    source = data.get("source")
    if source is None:
        return _UNKNOWN
    folder = Path(source)
    for place in (folder, *folder.parents[:_ABOVE]):
        for file in sorted(place.glob("LICEN[SC]E*")):
            return f"see {file}: {_beginning(file)}"
    try:
        return _OF_LAYOUTS.get(find_corpus(folder).layout, _UNKNOWN)
    except (InputError, OSError):
        return _UNKNOWN


def _beginning(file: Path) -> str:
    try:
        text = " ".join(file.read_text(errors="replace").split())
    except OSError:
        return "it cannot be read"
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]} ..."
