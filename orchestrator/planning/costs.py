"""What a sweep will cost, from a short timed probe of its own training loop; and what it has cost."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from orchestrator.datasets.collection import LatentCollection
from orchestrator.planning.plan import Plan
from orchestrator.planning.structures import is_structural
from orchestrator.records.ablation_evidence import variants
from orchestrator.runtime.ray_cluster import Cluster
from orchestrator.runtime.threads import use_one_thread
from search_spaces.domains import Choice
from search_spaces.study import Arm
from trainables.contract import PackCost
from trainables.errors import InputError
from trainables.lane_config import TRAINABLE_SETTING, LaneConfig
from trainables.latents.storage.dataset import SPLITS, LatentDataset, Split

# A sweep's time as a multiple of the probe's promise, at best and at worst: a probe runs alone and warmed up.
_BEST, _WORST = 0.8, 1.8
# Seconds per phase until the first pack trains: starting processes, imports, reading the data.
_STARTING = (4.0, 12.0)
_RESULT_BYTES = 200_000  # of one lane's scores and history


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a sweep is expected to cost; ranges are (low, high)."""

    lanes: int
    packs: int
    device_hours: tuple[float, float]
    wall_hours: tuple[float, float]
    disk_bytes: int
    devices: int
    price: tuple[float, float] | None = None  # in the currency of the price per hour

    def text(self) -> str:
        """The estimate in one line, for the user who is about to spend it."""
        money = "" if self.price is None else f", costs {self.price[0]:.2f} to {self.price[1]:.2f}"
        plural = "s" * (self.devices != 1)
        return (
            f"expected: {self.lanes} lanes in about {self.packs} packs, {_hours(self.device_hours)} of "
            f"device time, {_hours(self.wall_hours)} on {self.devices} device{plural}, "
            f"{_size(self.disk_bytes)} of disk{money}"
        )

    def to_json(self) -> dict[str, Any]:
        """The estimate as plain data."""
        return asdict(self)


def estimate(
    plan: Plan, latents: LatentCollection, cluster: Cluster | None = None, price: float | None = None
) -> Costs:
    """What the plan will cost on the cluster, or on this machine where there is none yet.

    The cheapest and the most expensive structure of every arm's search space are timed for a second or two
    each.
    """
    devices = cluster.devices if cluster else _devices_here()
    probed = _paces(plan, latents, cluster)
    low = high = 0.0
    most = 0
    for arm in plan.study.arms:
        seconds, size = zip(
            *(_arm_seconds(plan, arm, latents, *probe) for probe in probed[arm.name]), strict=True
        )
        low, high, most = low + min(seconds), high + max(seconds), max(most, *size)
    lanes, packs = _counts(plan)
    phases = 2 + bool(plan.ablate and plan.study.components)
    wall = (
        low * _BEST / devices + phases * _STARTING[0],
        high * _WORST / min(devices, packs) + phases * _STARTING[1],
    )
    hours = (low * _BEST / 3600, high * _WORST / 3600)
    return Costs(
        lanes=lanes,
        packs=packs,
        device_hours=hours,
        wall_hours=(wall[0] / 3600, wall[1] / 3600),
        disk_bytes=lanes * (most + _RESULT_BYTES),
        devices=devices,
        price=None if price is None else (hours[0] * price, hours[1] * price),
    )


def spent(events: Sequence[Mapping[str, Any]], workers: int, price: float | None) -> dict[str, Any]:
    """What a run has spent by its journal, without its control worlds: device_hours, wall_hours, price and
    lanes, those that it trained.

    Device time runs from each pack's start to its end on every worker, wall time from each opening of the
    run to the last event before the next one.
    """
    taken = wall = 0.0
    lanes = 0
    started: dict[str, tuple[float, tuple[str, ...]]] = {}
    opened = last = events[0]["time"] if events else 0.0
    for event in events:
        if event["event"] == "opened":
            wall, opened = wall + max(0.0, last - opened), event["time"]
        elif event["event"] == "started":  # a pack that a kill cut off is started again, perhaps days later
            started |= {key: (event["time"], tuple(event["keys"])) for key in event["keys"]}
        elif event["event"] == "finished" and not event["reused"] and event["key"] in started:
            began, pack = started.pop(event["key"])
            lanes += 1
            if not any(started.get(key) == (began, pack) for key in pack):  # the last of its pack
                taken += max(0.0, event["time"] - began)  # a clock may be set back
        last = event["time"]
    hours = taken * workers / 3600
    return {
        "device_hours": hours,
        "wall_hours": (wall + max(0.0, last - opened)) / 3600,
        "price": None if price is None else hours * price,
        "lanes": lanes,
    }


def _counts(plan: Plan) -> tuple[int, int]:
    """Lanes and packs of a sweep; the winner decides how ablations are packed, so that part is a guess."""
    searched = [arm for arm in plan.study.arms if plan.settled(arm) is None]
    taken_out, taking = _ablations(plan)
    confirmed = sum(plan.confirmed_lanes(arm.name) for arm in plan.study.arms)
    lanes = len(searched) * (plan.trials + plan.repeats) + confirmed + taking
    confirming = len(plan.study.arms) + len(plan.planted_arms)
    return lanes, len(searched) * plan.packs + confirming + math.ceil(taken_out / 2)


def _ablations(plan: Plan) -> tuple[int, int]:
    """Configurations and lanes that ablations train: one per variant, and one more where both sides share
    other settings than the winner's; on planted frames those of known harm only, which is the least.
    """
    if not plan.ablate:
        return 0, 0
    configs = {v.components: 1 + bool(v.given) for v in variants(plan.study)}
    checks = sum(configs[v.components] for v in variants(plan.study) if v.known_harm and plan.plants)
    taken_out = sum(configs.values())
    return taken_out, taken_out * plan.replicates + checks * len(plan.control_seeds)


def _arm_seconds(
    plan: Plan, arm: Arm, latents: LatentCollection, config: LaneConfig, cost: PackCost
) -> tuple[float, int]:
    """Device seconds of an arm if all its lanes were of this structure, and the bytes of one lane's state."""
    dataset = latents.of(config.structure.representation)
    train, validation, test = (_lengths(dataset, split) for split in SPLITS)
    exploring = cost.seconds((config | plan.exploring_lengths(arm)).structure, train, validation)
    judged = cost.seconds(config.structure, train, validation, test)
    packs = 0 if plan.settled(arm) is not None else (plan.trials + plan.repeats) / plan.lanes
    confirmed = plan.confirmed_lanes(arm.name) / plan.lanes
    if arm.name == plan.study.primary.arm:
        confirmed += _ablations(plan)[1] / plan.lanes
    return packs * exploring + confirmed * judged, cost.bytes


def _lengths(dataset: LatentDataset, split: Split) -> np.ndarray:
    """Frames of each utterance of a split."""
    index = dataset.index
    return np.asarray(index["num_frames"])[np.asarray(index["split"]) == split]


def _paces(
    plan: Plan, latents: LatentCollection, cluster: Cluster | None
) -> dict[str, list[tuple[LaneConfig, PackCost]]]:
    wanted = {
        arm.name: list(dict.fromkeys(_extreme(plan, arm, latents, pick) for pick in (min, max)))
        for arm in plan.study.arms
    }
    each = list(dict.fromkeys(itertools.chain.from_iterable(wanted.values())))
    dims = [latents.of(config.structure.representation).meta.dim for config in each]
    if cluster is None:
        paces = [_pace(config, plan.lanes, dim) for config, dim in zip(each, dims, strict=True)]
    else:
        import ray

        task = ray.remote(_pace).options(num_cpus=1, num_gpus=1 if cluster.gpus else 0)
        paces = ray.get(
            [task.remote(config, plan.lanes, dim) for config, dim in zip(each, dims, strict=True)]
        )
    pace_of = dict(zip(each, paces, strict=True))
    return {arm: [(config, pace_of[config]) for config in both] for arm, both in wanted.items()}


def _pace(config: LaneConfig, lanes: int, dim: int) -> PackCost:
    import torch

    use_one_thread()
    return config.trainable.cost(config.structure, lanes, dim, "cuda" if torch.cuda.is_available() else "cpu")


def _numbers_per_second(latents: LatentCollection, representation: str) -> float:
    meta = latents.of(representation).meta
    return meta.dim * meta.frame_rate


def _extreme(plan: Plan, arm: Arm, latents: LatentCollection, pick: Any) -> LaneConfig:
    """The settings of an arm with the least, or the most, of everything that is searched."""
    chosen = dict(plan.fixed(arm))
    for name, domain in plan.space(arm).items():
        if isinstance(domain, Choice):
            numeric = all(isinstance(option, int | float) for option in domain.options)
            ordered = sorted(domain.options) if numeric else domain.options
            if name == "representation":
                ordered = sorted(ordered, key=lambda option: _numbers_per_second(latents, option))
            chosen[name] = ordered[0 if pick is min else -1]
        else:
            chosen[name] = pick(domain.low, domain.high)
    shared = {n: v for n, v in chosen.items() if n == TRAINABLE_SETTING or is_structural(n, arm.trainable)}
    return plan.lane_config(shared)


def largest_settings(plan: Plan, arm: Arm, latents: LatentCollection) -> LaneConfig:
    """The settings of an arm with the most of everything that is searched."""
    return _extreme(plan, arm, latents, max)


def _devices_here() -> int:
    import os

    import torch

    return torch.cuda.device_count() or os.cpu_count() or 1


def _hours(hours: tuple[float, float]) -> str:
    low, high = hours
    if high < 1.5:
        return f"{60 * low:.0f} to {math.ceil(60 * high)} min"
    return f"{low:.1f} to {high:.1f} h"


def _size(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def require_price(price: float | None) -> None:
    """Refuse a price that is not a number of at least 0.

    Raises:
        InputError: the price is infinite, not a number or negative.
    """
    if price is not None and not (math.isfinite(price) and price >= 0):
        raise InputError(f"--price is {price:g}; it must be a number, at least 0")
