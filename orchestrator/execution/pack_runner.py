"""Trains the packs of one phase after the other: on reused actors, or on Ray Train workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.datasets.ray_latents import RayLatents
from orchestrator.execution.auxiliaries import AUXILIARIES_FOLDER, share_auxiliaries
from orchestrator.execution.lane_recorder import LaneRecorder
from orchestrator.execution.progress import Progress
from orchestrator.execution.ray_tune import Task, actors_at_once, pack_resources, run_pack, run_packs
from orchestrator.execution.search import FixedPacks, PackSearcher, PackSource
from orchestrator.planning.pack import Pack, cut
from orchestrator.records.phase import Phase
from orchestrator.runtime.checkpoint_store import CheckpointStore
from orchestrator.runtime.ray_cluster import Cluster
from trainables.lane_config import LaneConfig
from trainables.latents.storage.dataset import Split


class PackRunner:
    """Trains packs on the devices of a cluster."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        workers: int,
        latents: Mapping[str, RayLatents],
        depot: CheckpointStore,
        folder: Path,
        recorder: LaneRecorder,
        progress: Progress,
        objective: str,
        thorough: bool = True,
    ) -> None:
        self._cluster, self._workers, self._latents, self._depot = cluster, workers, latents, depot
        self._folder, self._recorder, self._progress = folder, recorder, progress
        self._objective, self._thorough = objective, thorough

    def share(self, configs: Iterable[LaneConfig]) -> None:
        """Fit what lanes like these need beside what they train, once for all of them."""
        folder = self._folder.parent / AUXILIARIES_FOLDER
        share_auxiliaries(configs, self._latents, folder, self._progress.say)

    def run_fixed(self, phase: Phase, packs: Mapping[str, Sequence[Pack]]) -> None:
        """Train packs that are known from the start, by arm, and judge them on the test speakers.

        Where an arm has fewer packs than its share of the devices, each is cut so that all devices have work.
        """
        self.share(config for whole in packs.values() for pack in whole for config in pack.configs)
        share = max(1, self._cluster.devices // self._workers // max(1, len(packs)))
        sources = {
            arm: FixedPacks(
                [part for pack in whole for part in (cut(pack, share) if len(whole) < share else [pack])],
                self._recorder.known,
            )
            for arm, whole in packs.items()
        }
        self.run_search(phase, {arm: source.ahead for arm, source in sources.items()}, list(sources.values()))

    def run_search(self, phase: Phase, ahead: Mapping[str, int], sources: Sequence[PackSource]) -> None:
        """Train the packs of the sources until they have finished; ``ahead`` says how many there are per arm.

        Exploration is given validation speakers only, the other phases test speakers.
        """
        if all(source.finished for source in sources):
            return
        self._progress.begin(phase, ahead, self._objective)
        task = Task(
            latents=self._latents,
            evaluation=phase.judged_on,
            depot=self._depot,
            scratch=str(self._folder.resolve() / "ray" / "train"),
            thorough=self._thorough,
            nulls=phase is Phase.CONFIRM,
        )
        if self._workers == 1:
            self._on_actors(task, sources)
        else:
            self._on_workers(task, sources)
        self._progress.end()

    def _on_actors(self, task: Task, sources: Sequence[PackSource]) -> None:
        for latents in self._latents.values():
            for split in dict.fromkeys((Split.TRAIN, Split.VALIDATION, task.evaluation)):
                latents.read(split)
        task = replace(task, latents=self._shown(task))
        searcher = PackSearcher(sources, self._recorder, limit=actors_at_once(self._cluster, task))
        run_packs(searcher, run_pack, task, pack_resources(self._cluster), self._folder, self._progress.say)

    def _shown(self, task: Task) -> dict[str, RayLatents]:
        """The latents that a phase may read: an exploration cannot see the test speakers."""
        splits = (Split.TRAIN, Split.VALIDATION, task.evaluation)
        return {name: latents.only(*splits) for name, latents in self._latents.items()}

    def _on_workers(self, task: Task, sources: Sequence[PackSource]) -> None:
        from orchestrator.execution.ray_train import (
            driver_resources,
            jobs_at_once,
            run_pack_on_workers,
            worker_cpus,
        )

        task = replace(
            task,
            latents=self._shown(task),
            workers=self._workers,
            worker_cpus=worker_cpus(self._cluster, self._workers),
            use_gpu=self._cluster.gpus > 0,
        )
        limit = jobs_at_once(self._cluster, self._workers)
        searcher = PackSearcher(sources, self._recorder, limit=limit)
        run_packs(searcher, run_pack_on_workers, task, driver_resources(), self._folder, self._progress.say)
