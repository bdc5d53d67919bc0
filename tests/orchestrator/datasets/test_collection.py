"""Latents of several representations are taken together only where they are of the same audio."""

import pytest

from orchestrator.datasets.collection import LatentCollection, open_collection, same_audio
from orchestrator.planning.plan import make_plan
from search_spaces import load
from search_spaces.study import bound
from tests.orchestrator.tiny_world import SPEAKERS, sweep, write_latents
from trainables.errors import InputError
from trainables.latents.storage.dataset import open_dataset


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The same utterances in two representations."""
    root = tmp_path_factory.mktemp("represented")
    return [write_latents(root / name, name, dim=dim) for name, dim in (("first", 3), ("second", 5))]


def test_a_collection_finds_each_representation_and_the_reference_under_no_name(folders):
    latents = open_collection([str(folder) for folder in folders])
    assert latents.representations == ["first", "second"]
    assert latents.of("") is latents.first is latents.of("first")
    assert latents.of("second").meta.dim == 5
    assert latents.frame_rates == {"": 50.0, "first": 50.0, "second": 50.0}


def test_one_dataset_alone_keeps_its_hash_and_the_order_of_several_counts(folders):
    one, two = (open_dataset(folder) for folder in folders)
    assert LatentCollection((one,)).content_hash == one.content_hash
    both = LatentCollection((one, two)).content_hash
    assert both == LatentCollection((one, two)).content_hash != LatentCollection((two, one)).content_hash


def test_the_same_representation_twice_is_refused(folders):
    with pytest.raises(
        InputError, match="holds first latents, and so does .*; give each representation once"
    ):
        open_collection([str(folders[0]), str(folders[0])])


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"speakers": {**SPEAKERS, "test": 3}}, "only one has test3-0 among its test utterances"),
        ({"frames": 80}, "lasts 0.80 s and 1.60 s; encode both from the same folder "),
    ],
)
def test_other_audio_is_refused_by_name(folders, tmp_path, how, said):
    other = write_latents(tmp_path / "other", "other", **how)
    with pytest.raises(InputError, match="not of the same audio.*" + said):
        open_collection([str(folders[0]), str(other)])


def test_what_lies_beside_is_found_where_it_is_of_the_same_audio(folders, tmp_path):
    one = open_dataset(folders[0])
    strange = write_latents(tmp_path / "strange", "strange", frames=90)
    empty = tmp_path / "empty"
    empty.mkdir()
    found = same_audio(one, [folders[0], folders[1], strange, empty, tmp_path / "nowhere"])
    assert [dataset.meta.representation for dataset in found] == ["second"]


def test_times_become_frames_of_each_representation():
    study = bound(load("representations"), ["slow", "quick", "quickest"])
    rates = {"": 12.5, "slow": 12.5, "quick": 50.0, "quickest": 75.0}
    plan = make_plan(study, frame_rates=rates)
    for name, arm in (("slow", "reference"), ("quick", "other"), ("quickest", "other")):
        settings = {**plan.fixed(plan.study.arm(arm)), "representation": name}
        config = plan.lane_config({"head": "mdn", **settings})
        assert config.structure.horizon == round(0.64 * rates[name])
        assert config.structure.context == round(1.28 * rates[name])
        assert not any(key.endswith("_ms") for key in config.to_json())
    assert plan.lane_config({"head": "mdn", "horizon_ms": 1, "representation": "slow"}).structure.horizon == 1


def test_one_representation_alone_cannot_be_compared(folders, tmp_path):
    done = sweep("representations", "--latents", str(folders[0]), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "error: study 'representations' compares representations of the same audio; give at least two "
        "--latents, the reference first"
    )
