"""The errors that a codec makes itself, of its lattice and of its quantiser, and the bits that it sends.

Published settings: Lyra V2 sends 46 codebooks of 4 bits, 9.2 kbit/s; Mimi 8 of 11 bits, 1.1 kbit/s (A.
Defossez et al., 2024); EnCodec at 24 kHz 8 of 10 bits, 6 kbit/s (A. Defossez et al., 2022); DAC at 16 kHz 12
of 10 bits, 6 kbit/s (R. Kumar et al., 2023).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import numpy as np

from trainables.analysis.rate_distortion import Distortion
from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec
from trainables.latents.encode_recording import read_audio
from trainables.latents.speech.corpus import audio_by_id
from trainables.latents.storage.parquet_file import LatentMeta

CODEBOOKS = {"soundstream": 46, "mimi-12.5": 8, "encodec": 8, "dac": 12}  # in the published setting
BITS = {"soundstream": 4, "mimi-12.5": 11, "encodec": 10, "dac": 10}  # of a code
_RECORDINGS, _SECONDS = 8, 6.0  # number that the error is measured on, and length of what is used of each


def codec_distortions(meta: LatentMeta, utterances: Collection[str]) -> tuple[list[Distortion], str]:
    """The errors that a codec makes, of its lattice and of its quantiser, and why one of them is unknown.

    The quantiser is that of the representation itself (``mimi-12.5-q8``), or else the published setting of
    its codec. The reason is empty where nothing is unknown.

    Args:
        meta: what the latents have in common.
        utterances: ids of those whose recordings may be read.
    """
    distortions = []
    if meta.lattice_step is not None:
        distortions.append(Distortion("lattice", meta.dim * meta.lattice_step**2 / 12))
    base, codebooks = _quantiser(meta.representation)
    if base is None:
        return distortions, "" if distortions else "it has neither lattice nor quantiser"
    try:
        error = _squared_error(base, codebooks, meta, utterances)
    except InputError as refused:
        return distortions, str(refused)
    nominal = codebooks * BITS[base] * meta.frame_rate
    behind = meta.representation != base
    return [*distortions, Distortion(f"{codebooks} codebooks", error, nominal, behind)], ""


def _quantiser(representation: str) -> tuple[str | None, int]:
    named = re.fullmatch(r"(.+)-q(\d+)", representation)
    base = named[1] if named else representation
    if base not in CODEBOOKS:
        return None, 0
    return base, int(named[2]) if named else CODEBOOKS[base]


def _squared_error(base: str, codebooks: int, meta: LatentMeta, utterances: Collection[str]) -> float:
    """Mean over frames of the squared distance between latents before and after the quantiser.

    Raises:
        InputError: audio or weights are not where they were.
    """
    if meta.source is None:
        raise InputError("its audio is not known")
    paths = list(audio_by_id(Path(meta.source), set(utterances)).values())
    if not paths:
        raise InputError(f"{meta.source} no longer holds its audio")
    before, behind = (load_codec(name, meta.weights) for name in (base, f"{base}-q{codebooks}"))
    errors = []
    for path in paths[:: max(1, len(paths) // _RECORDINGS)][:_RECORDINGS]:
        audio = read_audio(path, before.sample_rate)[: int(_SECONDS * before.sample_rate)]
        errors.append(np.square(before.encode(audio) - behind.encode(audio)).sum(1))
    return float(np.concatenate(errors).mean())
