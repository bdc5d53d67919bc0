"""The evidence of a sweep when it is judged: plain data, kept in ``evidence.json`` for reports."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from orchestrator.runtime.atomic_files import write_atomically
from orchestrator.runtime.hashing import joint_hash
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.scores import LaneStatus


@dataclass
class Exploration:
    """One explored configuration of an arm, scored on validation speakers."""

    index: int
    config: LaneConfig
    objective: float | None  # None where the lane diverged
    status: LaneStatus
    seconds: float


@dataclass
class Replicate:
    """The winner of an arm trained again on a fresh seed (or a null surrogate), judged on test speakers."""

    seed: int
    surrogate: Surrogate
    status: LaneStatus
    scores: dict[str, Any] | None  # Scores.to_json(), None where the lane diverged
    history: list[dict[str, Any]]  # per epoch: epoch, phase, loss ...
    parameters: int  # trainable numbers of this lane
    # per-utterance figures of the decoded continuation, {"utterance_id", "speaker_id",
    # "continuation_quality"}
    listening: list[dict[str, Any]] = field(default_factory=list)
    key: str = ""  # of the lane in the lane store
    # Of each phase of its training, when it cooled and when it was best (training/course.py).
    courses: dict[str, Any] = field(default_factory=dict)
    # What only a report of its trainable shows.
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class ArmEvidence:
    """An arm with everything that was measured of it."""

    name: str
    config: LaneConfig  # of the winner, without seed and surrogate
    explored: list[Exploration]
    replicates: list[Replicate]  # surrogate "real", one per paired seed, same seeds in every arm
    nulls: list[Replicate]  # the same settings trained on surrogate frames that are unpredictable
    plants: list[Replicate] = field(default_factory=list)  # ... on frames in which a direction was planted
    # Scores.to_json() of ridge regression on the same past.
    ridge: dict[str, Any] = field(default_factory=dict)


@dataclass
class Ablation:
    """The primary arm's winner with components taken out, on the seeds of its replicates."""

    components: list[str]
    neutral: dict[str, Any]  # the settings that stood in for them
    replicates: list[Replicate]  # on real frames, and some on frames in which a direction was planted
    # Compared with the arm's own replicates and plants (None), or with its winner under other settings.
    given: dict[str, Any] = field(default_factory=dict)
    against: list[Replicate] | None = None
    known_harm: bool = False


@dataclass
class Assay:
    """The verdict on a control world, whose answer is known, through the same code."""

    world: str
    expected: str  # verdict
    verdict: str
    reason: str
    code: str  # version
    run: str  # folder of its report

    @property
    def passed(self) -> bool:
        """Whether the verdict is the expected one."""
        return self.verdict == self.expected


@dataclass
class Exhibit:
    """An utterance to listen to; its clips are bytes of WAV files, 16-bit mono, in the order of listening."""

    utterance_id: str
    speaker_id: str
    context_seconds: float  # of true speech before the rollout starts, in every clip
    clips: dict[str, bytes]  # "original", "codec reconstruction", then one per arm


@dataclass
class Evidence:
    """The evidence of one sweep, whole."""

    study: str
    arms: dict[str, ArmEvidence]
    data: dict[
        str, Any
    ]  # path, representation, dim, frame_rate, hash, speakers and frames per split, world (controls)
    baselines: dict[
        str, dict[str, Any]
    ]  # name -> Scores.to_json() on test: "mean" (delta = mean - z_t), "persistence"
    provenance: dict[
        str, Any
    ]  # command, git commit, versions, device, started, seconds, criteria_hash, workers
    exhibits: list[Exhibit] = field(default_factory=list)
    # What is fed back where continuations are decoded; empty: what each arm's own rollouts feed back.
    continuation: str = ""
    seal: dict[str, Any] = field(
        default_factory=dict
    )  # what was sealed before confirmation (records/seal.py)
    broken: list[str] = field(default_factory=list)  # what of it has changed since, a sentence each
    assays: list[Assay] = field(default_factory=list)
    ablations: list[Ablation] = field(default_factory=list)
    # Of listeners: panel, arm and its rival, of each listener answers and why they do not count, and what
    # machines made of the same pairs.
    ratings: dict[str, Any] = field(default_factory=dict)
    look: int = 1  # how often the test speakers had been looked at by then
    other_data: list[dict[str, Any]] = field(default_factory=list)  # as data, of further representations
    diagnoses: list[dict[str, Any]] = field(
        default_factory=list
    )  # of each representation (inspection/diagnosis.py)
    # By representation, the densities of its frames and the components of its mixtures; they decide nothing.
    densities: dict[str, Any] = field(default_factory=dict)
    components: dict[str, Any] = field(default_factory=dict)
    # By arm whose settings were searched: structures tried, reliability, importances
    # (lifecycle/exploration.py).
    search: dict[str, Any] = field(default_factory=dict)
    # By representation and plant, "cos" and its "errors": the optimum of cos@k at k = 1..K.
    plants: dict[str, dict[str, Any]] = field(default_factory=dict)
    # "planned" and "spent": device_hours, wall_hours, disk_bytes, cost; planned ones as [low, high]
    cost: dict[str, Any] = field(default_factory=dict)

    @property
    def data_hash(self) -> str:
        """The hash of all data, as it was sealed; empty where the hash of one is missing."""
        hashes = [data.get("hash") for data in (self.data, *self.other_data)]
        return joint_hash([str(each) for each in hashes]) if all(hashes) else ""

    @property
    def after_the_fact(self) -> bool:
        """Whether others measured this, and it was judged without a sealed plan."""
        return bool(self.provenance.get("after_the_fact"))

    def write(self, path: Path) -> None:
        """Write the evidence as JSON, with clips in base64."""
        # Without an indent, which would take the encoder that is written in Python: ten times as long.
        write_atomically(path, json.dumps(self, default=_plain))

    @classmethod
    def read(cls, path: Path) -> Evidence:
        """Read what :meth:`write` wrote.

        Raises:
            InputError: the file is not there, or is no such record.
        """
        try:
            return cls._parsed(json.loads(path.read_text()))
        except FileNotFoundError:
            raise InputError(f"{path} does not exist; name the folder of a run that has ended") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise InputError(
                f"{path} is not the record of a run, or one of another version; run its sweep again"
            ) from None

    @classmethod
    def _parsed(cls, data: dict[str, Any]) -> Evidence:
        arms = {
            name: ArmEvidence(
                name=arm["name"],
                config=LaneConfig.of(arm["config"]),
                explored=[_exploration(e) for e in arm["explored"]],
                replicates=[_replicate(r) for r in arm["replicates"]],
                nulls=[_replicate(r) for r in arm["nulls"]],
                plants=[_replicate(r) for r in arm["plants"]],
                ridge=arm.get("ridge", {}),
            )
            for name, arm in data.pop("arms").items()
        }
        exhibits = [
            Exhibit(**{**e, "clips": {k: base64.b64decode(v) for k, v in e["clips"].items()}})
            for e in data.pop("exhibits")
        ]
        assays = [Assay(**assay) for assay in data.pop("assays")]
        ablations = [
            Ablation(
                **{
                    **a,
                    "replicates": [_replicate(r) for r in a["replicates"]],
                    "against": None if a["against"] is None else [_replicate(r) for r in a["against"]],
                }
            )
            for a in data.pop("ablations")
        ]
        return cls(arms=arms, exhibits=exhibits, assays=assays, ablations=ablations, **data)


def _exploration(data: Mapping[str, Any]) -> Exploration:
    typed = {"config": LaneConfig.of(data["config"]), "status": LaneStatus(data["status"])}
    return Exploration(**{**data, **typed})


def _replicate(data: Mapping[str, Any]) -> Replicate:
    typed = {"surrogate": Surrogate(data["surrogate"]), "status": LaneStatus(data["status"])}
    return Replicate(**{**data, **typed})


def _plain(value: Any) -> Any:
    """A part of a record as plain data: settings as they were named, bytes in base64, the rest by field."""
    match value:
        case LaneConfig():
            return value.to_json()
        case bytes():
            return base64.b64encode(value).decode()
        case Evidence() | ArmEvidence() | Exploration() | Replicate() | Ablation() | Assay() | Exhibit():
            return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} is no part of a record")
