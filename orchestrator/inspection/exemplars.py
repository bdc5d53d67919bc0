"""Short pieces of test speech around steps that stand for something, decoded to be listened to."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import ray

from orchestrator.datasets.ray_latents import RayLatents
from orchestrator.runtime.threads import use_one_thread
from trainables.latents.codec_registry import load_codec
from trainables.latents.storage.dataset import LatentDataset, Split
from trainables.latents.storage.row_columns import latent_frames
from trainables.listening.decode import decode_continuation, wav_bytes

CLIP_SECONDS, _WARM_UP_SECONDS = 0.6, 0.5


def decode_exemplars(examples: Sequence[dict[str, Any]], dataset: LatentDataset, latents: RayLatents) -> None:
    """Add a decoded ``clip``, a WAV file in base64, to every exemplar, which names ``utterance_id`` and the
    ``frame`` that its step starts from.
    """
    pieces = _pieces(dataset, examples)
    task = ray.remote(_spoken).options(scheduling_strategy=latents.near)
    clips = ray.get(task.remote((dataset.meta.codec, dataset.meta.weights), pieces))
    for example, clip in zip(examples, clips, strict=True):
        example["clip"] = base64.b64encode(clip).decode()


def _pieces(
    dataset: LatentDataset, examples: Sequence[dict[str, Any]]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each step, the frames before its clip, which set the codec's state, and the frames of the clip."""
    rate = dataset.meta.frame_rate
    half, before = round(CLIP_SECONDS / 2 * rate), round(_WARM_UP_SECONDS * rate)
    frames: dict[str, np.ndarray] = {}
    for table in dataset.tables(Split.TEST, {example["utterance_id"] for example in examples}):
        for i, utterance_id in enumerate(table["utterance_id"].to_pylist()):
            frames[utterance_id] = latent_frames(table["latents"].slice(i, 1))[0].astype(np.float32)
    pieces = []
    for example in examples:
        frames_TD, first = frames[example["utterance_id"]], example["frame"] - half
        pieces.append((frames_TD[max(0, first - before) : first], frames_TD[first : first + 2 * half + 1]))
    return pieces


def _spoken(codec_of: tuple[str, str | None], pieces: list[tuple[np.ndarray, np.ndarray]]) -> list[bytes]:
    use_one_thread()
    codec = load_codec(*codec_of)
    return [wav_bytes(decode_continuation(codec, *piece)[1], codec.sample_rate) for piece in pieces]
