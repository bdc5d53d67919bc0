"""Diagnoses of datasets through Ray: one task for all closed forms, and one for each head that is trained.

A diagnosis depends only on the data and the code, so runs that share a folder share it: it is made once.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.datasets.description import describe_data
from orchestrator.inspection.diagnosis_record import diagnosis_to_json
from orchestrator.records.code_versions import diagnosis_version
from orchestrator.records.lane_store import LaneStore
from orchestrator.runtime.ray_cluster import Cluster
from orchestrator.runtime.threads import use_one_thread
from trainables.analysis.codec_distortion import codec_distortions
from trainables.analysis.diagnostics import Diagnosis, diagnose_frames
from trainables.analysis.head_probe import STRUCTURES, head_in_words, head_scores
from trainables.analysis.rate_distortion import Distortion
from trainables.errors import InputError
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import SURROGATES
from trainables.latents.storage.dataset import SPLITS, LatentDataset, Split
from trainables.predictor.config import Structure
from trainables.predictor.scores import Scores

if TYPE_CHECKING:
    from orchestrator.datasets.ray_latents import RayLatents

HELD_OUT = SPLITS[1:]
DIAGNOSIS_FOLDER = "diagnoses"  # beside the runs
Say = Callable[[str], None]


@dataclass(kw_only=True)
class DiagnosisResult:
    """A diagnosis together with the scores of the heads that were trained for it."""

    diagnosis: Diagnosis
    distortions: list[Distortion]
    unknown: str  # why the codec's own distortion is not known
    heads: dict[str, dict[str, Scores]] = field(default_factory=dict)  # head -> surrogate -> scores
    settings: dict[str, str] = field(default_factory=dict)  # head -> how it was trained
    refused: dict[str, str] = field(default_factory=dict)  # head -> why it could not be trained


def cached_diagnosis(
    dataset: LatentDataset,
    folder: Path,
    cluster: Cluster,
    say: Say = lambda text: None,
    structures: Mapping[str, Structure] = STRUCTURES,
    on: Sequence[str] = HELD_OUT,
    flow_steps: int | None = None,
) -> dict[str, Any]:
    """The diagnosis of a dataset as plain data; read from ``folder`` where the same code has made it before.

    Ray must be connected. No choice depends on a diagnosis, so it may be scored on test speakers.
    ``flow_steps`` limits the training of the densities that know no past; None stands for as many as suit the
    dimensions.

    Raises:
        InputError: the data are too few, or too short, to be diagnosed.
    """
    archive, key = LaneStore(folder), _key(dataset, structures, on, flow_steps)
    stored = archive.result(key)
    if stored is not None:  # made of the same frames, which may have moved to another folder since
        return {**stored, "data": {**describe_data(dataset), "held_out": list(on)}}
    result = diagnose_with_ray(dataset, cluster, say, structures, on, folder.parent, flow_steps)
    record = as_record(dataset, result, on)
    archive.keep(key, record)
    return record


def as_record(dataset: LatentDataset, result: DiagnosisResult, on: Sequence[str]) -> dict[str, Any]:
    """A diagnosis with the description of its data, as plain data without NaN or infinity.

    Raises:
        ValueError: a number in it is not finite.
    """
    tables = diagnosis_to_json(
        result.diagnosis, dataset.meta, result.heads, (result.distortions, result.unknown), result.settings
    )
    record = {"data": {**describe_data(dataset), "held_out": list(on)}, **tables, "refused": result.refused}
    return json.loads(json.dumps(record, allow_nan=False))


def diagnose_locally(dataset: LatentDataset, say: Say, on: Sequence[str] = HELD_OUT) -> DiagnosisResult:
    """The closed forms of a diagnosis, computed in this process and without Ray."""
    train, held_out = (
        Feed.from_dataset(dataset, *splits, surrogates=SURROGATES) for splits in ([Split.TRAIN], on)
    )
    diagnosis = diagnose_frames(train, held_out, dataset.rms, say)
    distortions, unknown = _distortions(dataset, say)
    return DiagnosisResult(diagnosis=diagnosis, distortions=distortions, unknown=unknown)


def diagnose_with_ray(
    dataset: LatentDataset,
    cluster: Cluster,
    say: Say,
    structures: Mapping[str, Structure] = STRUCTURES,
    on: Sequence[str] = HELD_OUT,
    runs: Path | None = None,
    flow_steps: int | None = None,
) -> DiagnosisResult:
    """The closed forms and the trained heads of a diagnosis, in parallel tasks; Ray must be connected.

    Densities of frames that know no past are fitted first, where there are validation speakers to stop them;
    they are kept with those of the runs in the folder ``runs``, or not at all.

    Raises:
        InputError: the data are too few, or too short, to be diagnosed.
    """
    import ray

    from orchestrator.datasets.ray_latents import RayLatents
    from orchestrator.execution.auxiliaries import AUXILIARIES_FOLDER
    from orchestrator.inspection.frame_density import fit_flows

    stopped = bool(dataset.speakers(Split.VALIDATION))
    splits = dict.fromkeys((Split.TRAIN, *([Split.VALIDATION] if stopped else []), *on))
    latents = RayLatents.of(dataset, tuple(splits))
    for split in splits:
        latents.read(split)
    if stopped:
        with tempfile.TemporaryDirectory() as thrown_away:
            fit_flows(latents, runs / AUXILIARIES_FOLDER if runs else Path(thrown_away), say, flow_steps)
    head = ray.remote(_head).options(num_cpus=1, num_gpus=1 if cluster.gpus else 0, max_retries=2)
    closed = ray.remote(_closed).options(num_cpus=1, max_retries=2)
    tasks = {head.remote(latents, s, tuple(on)): name for name, s in structures.items()}
    tasks[closed.remote(latents, tuple(on))] = ""
    distortions, unknown = _distortions(dataset, say)
    results: dict[str, Any] = {}
    waiting = list(tasks)
    while waiting:
        (ready,), waiting = ray.wait(waiting, num_returns=1)
        results[tasks[ready]] = ray.get(ready)
        step = f"head {tasks[ready]} trained and scored" if tasks[ready] else "closed forms done"
        say(f"{dataset.meta.representation}: {step}, {len(tasks) - len(waiting)} of {len(tasks)}")
    return _gathered(results, distortions, unknown, structures)


def _gathered(
    results: Mapping[str, Any],
    distortions: list[Distortion],
    unknown: str,
    structures: Mapping[str, Structure],
) -> DiagnosisResult:
    closed = results[""]
    if isinstance(closed, str):
        raise InputError(closed)
    heads = {name: scores for name, scores in results.items() if name and not isinstance(scores, str)}
    refused = {name: reason for name, reason in results.items() if name and isinstance(reason, str)}
    settings = {name: head_in_words(structures[name]) for name in heads}
    return DiagnosisResult(
        diagnosis=closed,
        distortions=distortions,
        unknown=unknown,
        heads=heads,
        settings=settings,
        refused=refused,
    )


def _closed(latents: RayLatents, on: tuple[str, ...]) -> Diagnosis | str:
    """The task of the closed forms; where the input is wrong, it returns the error's sentence."""
    use_one_thread()
    try:
        train, held_out = (_feed(latents, splits, "cpu") for splits in ((Split.TRAIN,), on))
        return diagnose_frames(train, held_out, latents.rms, flows=latents.frame_flows())
    except InputError as error:
        return str(error)


def _head(latents: RayLatents, structure: Structure, on: tuple[str, ...]) -> dict[str, Scores] | str:
    """The task of one head on every surrogate; where the input is wrong, it returns the error's sentence."""
    import torch

    use_one_thread()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return head_scores(
            structure,
            _feed(latents, (Split.TRAIN,), device),
            _feed(latents, on, device),
            device,
            latents.frame_flows(),
        )
    except InputError as error:
        return str(error)


def _feed(latents: RayLatents, splits: Sequence[str], device: str) -> Feed:
    from orchestrator.datasets.ray_latents import feed_of

    return feed_of(latents, splits, surrogates=SURROGATES, device=device)


def _distortions(dataset: LatentDataset, say: Say) -> tuple[list[Distortion], str]:
    say(f"{dataset.meta.representation}: the codec's own distortion")
    return codec_distortions(dataset.meta, dataset.utterances(Split.TRAIN))


def _files_exist(dataset: LatentDataset) -> list[bool]:
    """Whether codec weights and recordings still exist: a codec's own distortion is measured with them."""
    places = (dataset.meta.weights, dataset.meta.source)
    return [place is not None and Path(place).exists() for place in places]


def _key(
    dataset: LatentDataset, structures: Mapping[str, Structure], on: Sequence[str], flow_steps: int | None
) -> str:
    determinants = [
        dataset.content_hash,
        [dataset.meta.weights, dataset.meta.source, _files_exist(dataset)],
        diagnosis_version(),
        {name: asdict(structure) for name, structure in structures.items()},
        list(on),
        flow_steps,
    ]
    return hashlib.sha256(json.dumps(determinants, sort_keys=True).encode()).hexdigest()[:32]
