"""Lanes are known by what they depend on, and by nothing else."""

import threading

import pytest
import torch

from orchestrator.records.lane_store import LaneStore, lane_key
from trainables.errors import InputError
from trainables.lane_config import LaneConfig

LANE = {"head": "vmf", "learning_rate": 0.01, "seed": 3}
BEFORE = "de58f208b3769a6741b2ce80eb29fa9f"


def key(config=LANE, split="test", data="data", code="code", companions=()):
    return lane_key(LaneConfig.of(config), split, data, code, [LaneConfig.of(c) for c in companions])


def test_a_lane_is_known_by_settings_data_code_and_judges():
    others = [
        key({**LANE, "seed": 4}),
        key({**LANE, "surrogate": "white"}),
        key(split="validation"),
        key(data="other"),
        key(code="other"),
    ]
    assert len({key(), *others}) == 6


def test_neither_the_order_of_settings_nor_a_default_spelled_out_makes_another_lane():
    assert key(dict(reversed(LANE.items()))) == key() == key({**LANE, "depth": 1, "surrogate": "real"})


def test_the_objective_and_the_neighbours_count_only_where_lanes_compete():
    rival = {**LANE, "seed": 9}
    assert key({**LANE, "objective": "cos@16"}) == key() == key(companions=(LANE, rival))
    racing = {**LANE, "rung_epochs": 1}
    assert key(racing, companions=(racing, {**rival, "rung_epochs": 1})) != key(racing, companions=(racing,))
    objectives = [{**racing, "objective": name} for name in ("cos@16", "cos@1")]
    assert len({key(config, companions=(config,)) for config in objectives}) == 2


def test_a_setting_that_came_later_makes_another_lane_where_it_is_not_at_its_default():
    """The first key is that of a code which knew no such setting."""
    assert (
        key()
        == key(
            {
                **LANE,
                "draws": 0,
                "noise_law": "own",
                "solver_steps": 0,
                "input_mix": 0.0,
                "clean_context": False,
            }
        )
        == BEFORE
    )
    heads = [{**LANE, "head": "flow_matching", **more} for more in ({}, {"draws": 4}, {"solver_steps": 16})]
    assert len({key(config) for config in heads}) == 3


def test_an_unknown_setting_has_no_key():
    with pytest.raises(InputError, match="unknown setting 'widht'"):
        key({"head": "vmf", "widht": 3})


def test_weights_are_there_before_the_result_is(tmp_path):
    archive = LaneStore(tmp_path / "lanes")
    torch.save({"w": torch.ones(2)}, tmp_path / "w.pt")
    archive.keep("k", {"status": "finished"}, tmp_path / "w.pt")
    assert archive.result("k") == {"status": "finished"}
    assert torch.equal(archive.weights("k")["w"], torch.ones(2))
    assert not (tmp_path / "w.pt").exists()


def test_what_is_missing_or_damaged_is_not_known(tmp_path):
    archive = LaneStore(tmp_path)
    (tmp_path / "torn.json").write_text('{"status": "fini')
    assert archive.result("torn") is None is archive.result("never") and archive.weights("never") is None


def test_many_writers_of_one_lane_leave_it_whole(tmp_path):
    archive, result = LaneStore(tmp_path), {"scores": list(range(5000))}
    writers = [threading.Thread(target=archive.keep, args=(f"k{i % 2}", result)) for i in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert archive.result("k0") == archive.result("k1") == result
