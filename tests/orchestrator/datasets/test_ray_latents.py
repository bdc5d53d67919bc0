"""Latents in Ray: what it takes to read them."""

from pathlib import Path

import pytest
import ray

from orchestrator.datasets.ray_latents import RayLatents, of_split, open_rows
from orchestrator.runtime.ray_cluster import Cluster
from tests.orchestrator.tiny_world import write_latents
from trainables.latents.storage.dataset import SPLITS, open_dataset

# Ray lets the processes that it starts be collected while they end.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Worker:
    """Holds cores, as trials do."""

    def ready(self) -> bool:
        return True


@pytest.mark.timeout(120)
@pytest.mark.ray
def test_beside_workers_a_quarter_of_a_core_is_enough_to_read(cluster: Cluster, tmp_path: Path) -> None:
    write_latents(tmp_path)
    dataset = open_dataset(tmp_path)
    rows = open_rows(RayLatents.of(dataset, SPLITS))
    busy = [ray.remote(Worker).options(num_cpus=cores).remote() for cores in (cluster.cpus - 1, 0.75)]
    try:
        assert all(ray.get([worker.ready.remote() for worker in busy]))
        assert ray.available_resources()["CPU"] == 0.25
        for split in SPLITS:
            blocks = ray.get(of_split(rows, split).materialize().to_arrow_refs())
            read = [name for block in blocks for name in block["utterance_id"].to_pylist()]
            assert sorted(read) == sorted(dataset.utterances(split)) != []
    finally:
        for worker in busy:
            ray.kill(worker)
