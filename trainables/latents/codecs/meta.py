"""What files of latents say of the codec that they come from."""

from __future__ import annotations

from typing import Any

from trainables.latents.codecs.base import Codec
from trainables.latents.storage.parquet_file import LatentMeta


def meta_of(codec: Codec, corpus_hash: str = "", **further: Any) -> LatentMeta:
    """The description of a codec's latents; ``further`` fields of :class:`LatentMeta` add to it, or replace
    what the codec says.
    """
    said = {
        "representation": codec.name,
        "dim": codec.dim,
        "frame_rate": codec.frame_rate,
        "codec": codec.name,
        "codec_hash": codec.hash,
        "weights": codec.weights,
        "lattice_step": codec.lattice_step,
        "note": codec.note,
    }
    return LatentMeta(corpus_hash=corpus_hash, **{**said, **further})
