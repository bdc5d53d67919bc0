"""How the components of a learnt mixture sound: their acoustic profiles, measured after confirmation.

Source: Research Discussion 7, section 9, question 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import ray
import torch

from orchestrator.datasets.ray_latents import RayLatents, feed
from orchestrator.execution.progress import Progress
from orchestrator.inspection.exemplars import CLIP_SECONDS, decode_exemplars
from orchestrator.records.evidence import Evidence
from orchestrator.records.lane_store import LaneStore
from orchestrator.runtime.threads import use_one_thread
from trainables.analysis.mixture_components import (
    ARCHETYPES,
    STEP_FEATURES,
    AcousticTracks,
    acoustics,
    archetype_steps,
    component_steps,
    exemplars,
    explained,
    profiles,
    shuffled,
)
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.speech.dataset_tracks import frame_tracks
from trainables.latents.storage.dataset import LatentDataset, Split
from trainables.predictor.config import BRANCHING, Structure
from trainables.predictor.scores import LaneStatus

SHOWN, HEARD = 8, 3  # components, and clips of each
LaneWeights = Mapping[str, torch.Tensor]


def mixture_components(
    evidence: Evidence, dataset: LatentDataset, latents: RayLatents, archive: LaneStore, progress: Progress
) -> dict[str, Any]:
    """Acoustic profiles of the components of the first arm that is a mixture, as plain data.

    They are measured over steps of the test speakers; without such an arm, they are those of archetypes.
    Clips are WAV files in base64. An arm is represented by its first finished replicate, since components of
    two seeds have no common order. Empty where there are no training or no test utterances.
    """
    if not (latents.ids.get(Split.TRAIN) and latents.ids.get(Split.TEST)):
        return {}
    for split in (Split.TRAIN, Split.TEST):
        latents.read(split)
    arm, structure, weights = _mixture(evidence, archive)
    tracks = frame_tracks(dataset, Split.TEST)
    task = ray.remote(_profiled)
    profiled = ray.get(task.remote(latents.only(Split.TRAIN, Split.TEST), structure, weights, tracks))
    if dataset.meta.codec is not None:
        progress.say("decoding exemplars of the components")
        examples = [example for component in profiled["shown"] for example in component["exemplars"]]
        decode_exemplars(examples, dataset, latents)
    return {"arm": arm, "archetypes": arm is None, "frame_rate": latents.frame_rate, **profiled}


def _mixture(
    evidence: Evidence, archive: LaneStore
) -> tuple[str | None, Structure | None, LaneWeights | None]:
    """The first arm with several components: its name, structure and one lane's weights; else all None."""
    for name, arm in evidence.arms.items():
        structure = arm.config.structure
        if structure.head not in BRANCHING or structure.components < 2:
            continue
        for replicate in arm.replicates:
            weights = archive.weights(replicate.key) if replicate.status == LaneStatus.FINISHED else None
            if weights is not None:
                return name, structure, weights
    return None, None, None


def _profiled(
    latents: RayLatents, structure: Structure | None, weights: LaneWeights | None, tracks: AcousticTracks
) -> dict[str, Any]:
    """Profiles of the components, the variance they explain, and exemplars; the most frequent first."""
    use_one_thread()
    test = feed(latents, Split.TEST, (Surrogate.REAL,), "cpu", torch.float32)
    if structure is None or weights is None:
        steps = archetype_steps(
            feed(latents, Split.TRAIN, (Surrogate.REAL,), "cpu", torch.float32), test, ARCHETYPES
        )
    else:
        steps = component_steps(structure, weights, test)
    rate, features, random = latents.frame_rate, acoustics(steps, tracks), shuffled(steps)
    order = np.argsort(-np.bincount(steps.primary, minlength=steps.components), kind="stable")[:SHOWN]
    real, null = (profiles(steps, features, labels, rate) for labels in (steps.primary, random))
    lengths = {utterance: len(track["energy"]) for utterance, track in tracks.items()}
    margin = round(CLIP_SECONDS / 2 * rate)
    gating = steps.labels.get("gating")
    counts = np.bincount(steps.primary, minlength=steps.components)
    return {
        "components": steps.components,
        "shares": (counts / counts.sum()).tolist(),
        "features": [name for name in STEP_FEATURES if name in real[0].sums],
        "spread": {name: float(np.nanstd(features[name])) for name in STEP_FEATURES if name in real[0].sums},
        "agreement": None if gating is None else float((gating == steps.primary).mean()),
        "explained": {
            name: explained(steps, features, labels, rate).to_json()
            for name, labels in {**steps.labels, "random": random}.items()
        },
        "shown": [
            {
                "component": int(k),
                "profile": real[k].to_json(),
                "random": null[k].to_json(),
                "exemplars": [
                    {
                        "utterance_id": str(steps.utterance_N[row]),
                        "speaker_id": str(steps.speaker_N[row]),
                        "frame": int(steps.place_N[row]),
                        "seconds": float(steps.place_N[row] / rate),
                    }
                    for row in exemplars(steps, k, HEARD, margin, lengths)
                ],
            }
            for k in order
        ],
    }
