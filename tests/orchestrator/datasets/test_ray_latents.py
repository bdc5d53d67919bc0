"""Ray reads what was written, with little of a core, and refuses what was changed since it was opened."""

import pyarrow as pa
import pytest

from orchestrator.datasets import ray_latents
from orchestrator.datasets.latent_source import accepted
from orchestrator.datasets.ray_latents import RayLatents, open_rows
from tests.orchestrator.tiny_world import write_latents
from tests.trainables.latents.storage.edited_files import negate_latents
from trainables.errors import InputError
from trainables.latents.storage.dataset import SPLITS, latent_frames, open_dataset


@pytest.fixture
def folder(tmp_path):
    write_latents(tmp_path, seed=0)
    write_latents(tmp_path, seed=1, speakers={"validation": 2}, prefix="more-")
    return tmp_path


def frames(tables):
    found = {}
    for table in tables:
        for i, name in enumerate(table["utterance_id"].to_pylist()):
            found[name] = latent_frames(table["latents"].slice(i, 1))[0].tobytes()
    return found


@pytest.mark.timeout(300)
def test_ray_reads_the_rows_of_a_split_and_no_others(folder, cluster):
    import ray

    dataset = open_dataset(folder)
    latents = RayLatents.of(dataset, ("train", "validation"))
    for split in ("train", "validation"):
        latents.read(split)
        assert frames(ray.get(latents.blocks[split])) == frames(dataset.tables(split))
    two = dataset.utterances("validation")[:2]
    streamed = open_rows(latents, "validation", two).iter_batches(batch_format="pyarrow", batch_size=None)
    assert sorted(frames(accepted(streamed))) == two


@pytest.mark.timeout(300)
def test_a_split_that_the_store_has_no_room_for_is_read_from_its_files(folder, cluster, monkeypatch):
    monkeypatch.setattr(ray_latents, "_STORE_SHARE", 0.0)
    dataset = open_dataset(folder)
    latents = RayLatents.of(dataset, ("train", "validation"))
    latents.read("validation")
    assert not latents.blocks
    assert frames(latents.tables("validation")) == frames(dataset.tables("validation"))
    two = dataset.utterances("validation")[3::4]
    assert sorted(frames(latents.tables("validation", two))) == two and len(two) > 1
    negate_latents(folder / "toy-0.parquet")
    with pytest.raises(InputError, match=r"toy-0\.parquet holds other latents of utterance train0-0 "):
        list(latents.tables("train"))


@pytest.mark.timeout(300)
def test_an_edit_after_opening_is_refused_in_one_sentence(folder, cluster, capfd):
    latents = RayLatents.of(open_dataset(folder), ("train", "test"))
    latents.read("train")
    negate_latents(folder / "toy-0.parquet")
    with pytest.raises(InputError, match=r"toy-0\.parquet holds other latents of utterance test0-0 "):
        latents.read("test")
    assert "Traceback" not in capfd.readouterr().err


def test_a_refusal_stands_even_between_rows_that_were_read():
    rows = {"utterance_id": ["a", "", "b"], "refusal": ["", "the file is not what it was", ""]}
    with pytest.raises(InputError, match="^the file is not what it was$"):
        list(accepted([pa.table(rows)]))
    whole = pa.table({"utterance_id": ["a"], "refusal": [""]})
    assert list(accepted([whole, pa.table({})])) == [whole, pa.table({})]


class Worker:
    """Holds cores, as trials do."""

    def ready(self) -> bool:
        return True


@pytest.mark.timeout(120)
def test_beside_workers_a_quarter_of_a_core_is_enough_to_read(cluster, tmp_path):
    import ray

    write_latents(tmp_path)
    dataset = open_dataset(tmp_path)
    latents = RayLatents.of(dataset, SPLITS)
    busy = [ray.remote(Worker).options(num_cpus=cores).remote() for cores in (cluster.cpus - 1, 0.75)]
    try:
        assert all(ray.get([worker.ready.remote() for worker in busy]))
        assert ray.available_resources()["CPU"] == 0.25
        for split in SPLITS:
            blocks = ray.get(open_rows(latents, split).materialize().to_arrow_refs())
            read = [name for block in blocks for name in block["utterance_id"].to_pylist()]
            assert sorted(read) == sorted(dataset.utterances(split)) != []
    finally:
        for worker in busy:
            ray.kill(worker)
