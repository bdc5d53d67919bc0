"""What is continued: an audio file, encoded as the run's recordings were, or an utterance of latents.

Shapes: T frames of the utterance, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from trainables.errors import InputError
from trainables.latents.batching.shard import utterance_rows
from trainables.latents.codecs.base import Codec
from trainables.latents.encode_recording import encode_recording
from trainables.latents.speech.corpus import Recording
from trainables.latents.speech.recorded_audio import RecordedAudio
from trainables.latents.storage.dataset import Split, open_dataset
from trainables.predictor.exported import LatentUnits


@dataclass(frozen=True)
class SpokenContext:
    """An utterance, and where it is continued.

    Attributes:
        utterance_id: its name; of an audio file that of the file, without its suffix.
        speaker_id: of who speaks; "unknown" of an audio file.
        latents_TD: all of its latents, float32, rounded as they are stored.
        end: the frame at which the context ends and the continuation begins.
    """

    utterance_id: str
    speaker_id: str
    latents_TD: np.ndarray
    end: int


def read_context(
    path: Path, utterance: str | None, at: float | None, units: LatentUnits, codec: Callable[[], Codec]
) -> SpokenContext:
    """The context that a command names, in the latents that a predictor knows.

    Args:
        path: an audio file, or a folder of latents.
        utterance: of the folder, by its id.
        at: second at which the continuation begins; by default where the utterance ends.
        units: of the predictor.
        codec: gives the codec of the latents, where audio has to be encoded.

    Raises:
        InputError: there is no such file or utterance, it cannot be read or encoded, its latents are of
            another kind, or the second lies outside.
    """
    if path.is_dir():
        name, speaker, stored = _of_folder(path, utterance, units)
    elif utterance is not None:
        raise InputError(f"--utterance is {utterance!r} and --context {path} no folder of latents")
    else:
        name, speaker, stored = path.stem, "unknown", _of_audio(path, codec())
    frames_TD = stored.astype(np.float16).astype(np.float32)
    return SpokenContext(name, speaker, frames_TD, _end(at, len(frames_TD), units.frame_rate))


def _of_folder(path: Path, utterance: str | None, units: LatentUnits) -> tuple[str, str, np.ndarray]:
    dataset = open_dataset(path)
    meta = dataset.meta
    if meta.representation != units.representation or meta.codec_hash != units.codec_hash:
        raise InputError(
            f"{path} holds {meta.representation} latents (codec hash {meta.codec_hash}), and the predictor "
            f"continues {units.representation} ({units.codec_hash})"
        )
    known = dataset.index["utterance_id"].to_pylist()
    if utterance is None:
        raise InputError(
            f"{path} holds {len(known)} utterances; name one with --utterance, such as {known[0]}"
        )
    row = dataset.index.filter(pc.equal(dataset.index["utterance_id"], utterance)).to_pylist()
    if not row:
        nearest = get_close_matches(utterance, known, n=1, cutoff=0.0)[0]
        raise InputError(f"{path} has no utterance {utterance!r}; did you mean {nearest}?")
    ((name, speaker, stored),) = utterance_rows(dataset.tables(row[0]["split"], [utterance]))
    return name, speaker, stored


def _of_audio(path: Path, codec: Codec) -> np.ndarray:
    if not path.exists():
        raise InputError(f"--context {path} does not exist; name an audio file, or a folder of latents")
    recording = Recording(path.stem, "unknown", Split.TEST, path)
    try:
        return encode_recording(codec, recording, RecordedAudio(path, codec.sample_rate)).latents
    except (InputError, ValueError) as problem:
        raise InputError(f"--context {path} cannot be encoded: {problem}") from None


def _end(at: float | None, frames: int, rate: float) -> int:
    if at is None:
        return frames
    if not 0 < round(at * rate) <= frames:
        raise InputError(f"--at is {at:g}; it must be above 0 and at most {frames / rate:.2f}, where it ends")
    return round(at * rate)
