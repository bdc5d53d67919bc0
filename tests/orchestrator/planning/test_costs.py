"""What is expected of a sweep before it runs, and what its journal says that it took."""

import dataclasses

import pytest

from orchestrator.datasets.collection import LatentCollection
from orchestrator.planning import costs
from orchestrator.planning.costs import estimate, spent
from orchestrator.planning.design import design_of, effective_speakers
from orchestrator.planning.plan import make_plan
from orchestrator.runtime.ray_cluster import Cluster
from search_spaces import load
from search_spaces.study import Spread
from tests.orchestrator.tiny_world import write_latents
from trainables.declared.predictor import rollout_windows
from trainables.errors import InputError
from trainables.latents.storage.dataset import open_dataset
from trainables.predictor.config import Structure

STUDY = load("vmf_vs_mdn")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(write_latents(tmp_path_factory.mktemp("latents")))


def started(time, *keys):
    return {"event": "started", "time": time, "keys": list(keys)}


def finished(time, key, reused=False):
    return {"event": "finished", "time": time, "key": key, "reused": reused}


def opened(time):
    return {"event": "opened", "time": time}


def test_device_time_is_from_the_start_of_a_pack_to_its_last_lane():
    events = [opened(0), started(0, "a", "b"), started(100, "c"), finished(3600, "a"), finished(3601, "b")]
    events.append(finished(3700, "c"))
    hours = {"device_hours": 7201 / 3600, "wall_hours": 3700 / 3600}
    assert spent(events, 1, None) == {**hours, "price": None, "lanes": 3}
    assert spent(events, 2, 3.0)["price"] == pytest.approx(2 * 3 * 7201 / 3600)


def test_time_between_a_kill_and_its_resumption_costs_nothing():
    events = [opened(0), started(0, "a", "b"), started(7, "z"), opened(990), started(1000, "a", "b")]
    events += [finished(1036, "a"), finished(1036, "b")]
    told = spent(events, 1, None)
    assert told["device_hours"] == pytest.approx(0.01)
    assert told["wall_hours"] == pytest.approx((7 + 46) / 3600)


def test_a_clock_that_is_set_back_makes_nothing_cost_less_than_nothing():
    events = [opened(0), started(10, "a"), finished(-3590, "a"), started(-3580, "b"), finished(-3480, "b")]
    told = spent(events, 1, None)
    assert told["device_hours"] == pytest.approx(100 / 3600) and told["wall_hours"] == 0


def test_lanes_of_other_sweeps_cost_nothing():
    told = spent([opened(0), finished(50, "a", reused=True)], 1, None)
    assert told["device_hours"] == told["lanes"] == 0


def test_windows_are_those_that_the_evaluation_runs(dataset):
    # 8 test utterances of 40 frames: after 16 of context there is room for one horizon of 16, or three of 8
    lengths = costs._lengths(dataset, "test")
    assert rollout_windows(lengths, Structure("vmf", context=16, horizon=16)) == 8
    assert rollout_windows(lengths, Structure("vmf", context=16, horizon=8)) == 24
    assert rollout_windows(lengths, Structure("vmf", context=64, horizon=16)) == 0


@pytest.mark.slow
def test_an_estimate_counts_every_lane_and_more_devices_make_it_no_dearer(dataset, monkeypatch):
    plan, latents = make_plan(STUDY, trials=8, replicates=6), LatentCollection((dataset,))
    probed = costs._paces(plan, latents, None)
    monkeypatch.setattr(costs, "_paces", lambda *_: probed)  # once: two probes are never quite alike
    one, four = (estimate(plan, latents, Cluster(devices, 0, 1), price=3.0) for devices in (1, 4))
    without = estimate(make_plan(STUDY, trials=8, replicates=6, ablate=False), latents)
    taken_out = 6 * (len(STUDY.components) + len(STUDY.pairs) + 1)
    assert one.lanes - without.lanes == taken_out + 2 * 3, "the Jacobian, with and without, on planted frames"
    assert without.lanes == 2 * (8 + 8 + 6 + 3 * 2 + 3 * 2) and without.device_hours < one.device_hours
    assert 0 < one.device_hours[0] < one.device_hours[1]
    assert one.price == pytest.approx(tuple(3.0 * hours for hours in one.device_hours))
    assert (four.device_hours, four.price) == (one.device_hours, one.price)
    assert all(fast < slow for fast, slow in zip(four.wall_hours, one.wall_hours, strict=True))
    assert "lanes in about" in four.text() and "costs" in four.text()


def test_three_seeds_are_refused_with_the_number_that_would_do():
    with pytest.raises(InputError, match="p = 0.25 in a sign-flip test at alpha 0.05; use at least 6"):
        make_plan(STUDY, replicates=3)


def test_a_design_that_cannot_decide_is_refused_with_the_number_that_would_do(dataset, tmp_path):
    wide = dataclasses.replace(STUDY, spread=Spread(0.6, 0.02, 0.02))
    with pytest.raises(
        InputError, match=r"cannot decide: .* use about \d+ test speakers|use \d+ test speakers"
    ):
        design_of(make_plan(wide), LatentCollection((dataset,)), tmp_path)


def test_one_long_speaker_is_not_worth_more_than_he_is(tmp_path):
    even = open_dataset(write_latents(tmp_path / "even", speakers={"train": 3, "validation": 2, "test": 12}))
    assert effective_speakers(even) == 12


def test_a_design_says_what_it_can_detect(dataset, tmp_path):
    design = design_of(make_plan(STUDY), LatentCollection((dataset,)), tmp_path)
    assert (design.speakers, design.seeds, design.level) == (4, 6, 0.95)
    assert 0 < design.effect < 0.2 and f"{0.6 + design.effect:.3f}" in design.text()
    assert "a device" not in str(Cluster(2, 0, 1))
