"""One loop, three places: a plain call, a reused Tune actor and two Ray Train workers end alike."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from orchestrator.datasets.ray_latents import RayLatents
from orchestrator.execution import ray_tune as tuning
from orchestrator.execution.ray_train import driver_resources, jobs_at_once, run_pack_on_workers, worker_cpus
from orchestrator.execution.ray_tune import (
    Task,
    actors_at_once,
    pack_config,
    run_pack,
    run_packs,
    weights_name,
)
from orchestrator.execution.search import FixedPacks, PackSearcher
from orchestrator.planning.pack import Pack
from orchestrator.records.phase import Phase
from orchestrator.runtime.checkpoint_store import CheckpointStore
from orchestrator.runtime.ray_cluster import Cluster
from tests.orchestrator.tiny_world import write_latents
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import SURROGATES
from trainables.latents.storage.dataset import SPLITS, Split, open_dataset
from trainables.predictor.training.train import train_pack
from trainables.training_context import SoloContext

SETTINGS = {
    "head": "vmf",
    "width": 6,
    "context": 5,
    "rollout": 3,
    "horizon": 4,
    "batch": 6,
    "steps": 3,
    "teacher_epochs": 3,
    "rollout_epochs": 2,
    "patience": 1,
    "marginal_steps": 5,
    "dtype": "float64",
    "learning_rate": 1e-2,
    "scheduled_sampling": 0.3,
}
# Ray lets the processes that it starts be collected while they end.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
SHORT = {"teacher_epochs": 2, "rollout_epochs": 1, "patience": 0}
FEW = 24 << 10  # bytes of frames at once, so that they come in chunks
LANES = [{"seed": 1}, {"seed": 2, "learning_rate": 3e-3}, {"seed": 1, "surrogate": "white"}]
PACK = Pack(Phase.CONFIRM, "vmf", 0, (0, 1, 2), tuple(LaneConfig.of({**SETTINGS, **lane}) for lane in LANES))


class Collector:
    """Keeps what packs report."""

    def __init__(self):
        self.epochs, self.results = [], []

    def started(self, pack):
        pass

    def progressed(self, pack, progress):
        self.epochs.append(progress["epoch"])

    def finished(self, pack, results):
        self.results = results
        return [0.0] * len(results)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(write_latents(tmp_path_factory.mktemp("latents")))


@pytest.fixture(scope="module")
def solo(dataset):
    """The pack in this process, without Ray."""
    _, structure, lanes = pack_config(PACK)
    train, validation, test = (
        Feed.from_dataset(dataset, split, surrogates=SURROGATES, dtype=torch.float64) for split in SPLITS
    )
    return train_pack(
        structure, lanes, train, test, SoloContext(), evaluate_each_epoch=False, validation=validation
    )


@pytest.fixture
def task(cluster, dataset, tmp_path):
    latents = RayLatents.of(dataset, SPLITS)
    return Task(
        latents={"": latents},
        evaluation=Split.TEST,
        depot=CheckpointStore(tmp_path),
        scratch=str(tmp_path / "ray"),
    )


def run(pack, trainable, task, resources, folder):
    collector = Collector()
    searcher = PackSearcher([FixedPacks([pack])], collector, limit=1)
    run_packs(searcher, trainable, task, resources, folder)
    return collector


def assert_same(collector, depot, pack, solo):
    for index, (lane, expected) in enumerate(zip(collector.results, solo, strict=True)):
        assert lane["status"] == expected.status == "finished"
        for name, sums in expected.scores["sums"].items():
            torch.testing.assert_close(lane["scores"]["sums"][name], sums, rtol=1e-9, atol=1e-9)
        assert [h["loss"] for h in lane["history"]] == pytest.approx(
            [h["loss"] for h in expected.history], rel=1e-9
        )
        weights = depot.load(weights_name(pack, index))
        torch.testing.assert_close(weights, dict(expected.state), rtol=1e-9, atol=1e-9)


def run_pack_that_dies_once(config, task):
    """The process is gone without a word after its second epoch, the first time."""
    tuning._SECONDS_BETWEEN_CHECKPOINTS = 0.0
    report = tuning.TuneContext.report

    def report_or_die(self, progress, state=None):
        report(self, progress, state)
        marker = Path(task.scratch).with_name("died")
        if progress["epoch"] == 1 and not marker.exists():
            marker.touch()
            os._exit(1)

    tuning.TuneContext.report = report_or_die
    try:
        run_pack(config, task)
    finally:
        tuning.TuneContext.report = report


@pytest.mark.timeout(600)
def test_a_tune_actor_that_is_lost_goes_on_from_its_last_epoch_with_the_same_numbers(task, solo, tmp_path):
    for split in SPLITS:
        task.latents[""].read(split)
    collector = run(PACK, run_pack_that_dies_once, task, {"cpu": 1}, tmp_path)
    assert (tmp_path / "died").exists()
    assert collector.epochs in ([0, 1, 2, 3, 4], [0, 2, 3, 4]), "repeated, or begun again"
    assert_same(collector, task.depot, PACK, solo)
    assert not list((tmp_path / "packs").glob("*")), "the state of a finished pack is dropped"


@pytest.mark.timeout(600)
def test_two_workers_of_ray_train_end_where_one_does(task, solo, cluster, tmp_path):
    task = replace(task, workers=2, worker_cpus=worker_cpus(cluster, 2))
    collector = run(PACK, run_pack_on_workers, task, driver_resources(), tmp_path)
    assert collector.epochs == [0, 1, 2, 3, 4]
    assert_same(collector, task.depot, PACK, solo)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_streaming_actors_and_workers_end_where_one_process_does(task, cluster, dataset, tmp_path):
    short = Pack(
        Phase.CONFIRM,
        "vmf",
        0,
        (0, 1),
        tuple(LaneConfig.of({**SETTINGS, **SHORT, **lane}) for lane in LANES[1:]),
    )
    _, structure, lanes = pack_config(short)
    feeds = [
        Feed.from_dataset(
            dataset,
            split,
            surrogates=SURROGATES,
            dtype=torch.float64,
            budget_bytes=FEW if split == "train" else FEW // 4,
        )
        for split in SPLITS
    ]
    assert len(feeds[0].chunks_of_all) > 4
    train, validation, test = feeds
    solo = train_pack(
        structure, lanes, train, test, SoloContext(), evaluate_each_epoch=False, validation=validation
    )
    task = replace(task, latents={"": replace(task.latents[""], budget_bytes=FEW)})
    assert_same(run(short, run_pack, task, {"cpu": 1}, tmp_path / "1"), task.depot, short, solo)
    task = replace(task, workers=2, worker_cpus=worker_cpus(cluster, 2))
    assert_same(
        run(short, run_pack_on_workers, task, driver_resources(), tmp_path / "2"), task.depot, short, solo
    )


@pytest.mark.timeout(600)
def test_a_pack_that_refuses_its_settings_ends_in_its_own_sentence(task, tmp_path):
    for split in SPLITS:
        task.latents[""].read(split)
    too_long = LaneConfig.of({**SETTINGS, "rollout": 99, "seed": 0})
    with pytest.raises(InputError, match="^no training utterance is as long as context"):
        run(Pack(Phase.CONFIRM, "vmf", 0, (0,), (too_long,)), run_pack, task, {"cpu": 1}, tmp_path)


def test_as_many_actors_as_there_is_memory_for(task, cluster):
    latents = task.latents[""]
    bound = replace(task, latents={"": replace(latents, lengths=dict.fromkeys(latents.lengths, 10**9))})
    many = replace(cluster, cpus=10**6, gpus=0)
    import ray

    memory = ray.cluster_resources()["memory"]
    held = latents.budget_bytes * 1.5  # training frames, and a quarter each of validation and test
    assert actors_at_once(many, bound) == max(1, memory // held)
    assert actors_at_once(cluster, task) == cluster.devices


def test_workers_leave_room_for_reading():
    laptop = Cluster(cpus=2, gpus=0, nodes=1)
    assert 2 * worker_cpus(laptop, 2) + driver_resources()["cpu"] + 0.25 < 2
    assert jobs_at_once(laptop, 2) == 1
    station = Cluster(cpus=16, gpus=4, nodes=1)
    assert (worker_cpus(station, 2), jobs_at_once(station, 2)) == (1.0, 2)
