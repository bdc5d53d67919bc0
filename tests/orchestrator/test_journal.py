"""The journal survives being cut off anywhere, and knows which run may be continued."""

import json

import pytest

from orchestrator.journal import Journal, code_version, lane_key, unfinished_run
from trainables.errors import InputError

ARGUMENTS = {"study": "toy", "trials": 4}


def planned(folder, data="d1", code="c1", arguments=ARGUMENTS):
    journal = Journal(folder)
    journal.append("planned", arguments=arguments, data_hash=data, code=code)
    return journal


def test_events_come_back_in_order(tmp_path):
    journal = Journal(tmp_path)
    journal.append("planned", arguments={})
    journal.finish_lane("k1", {"scores": [1, 2]}, objective=0.5)
    journal.finish_lane("k2", {"scores": None}, objective=None)
    assert [e["event"] for e in Journal(tmp_path).events()] == ["planned", "finished", "finished"]
    assert {k: e["objective"] for k, e in journal.finished().items()} == {"k1": 0.5, "k2": None}
    assert journal.result("k1") == {"scores": [1, 2]}


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_is_passed_over_and_the_next_event_is_whole(tmp_path, cut):
    journal = Journal(tmp_path)
    for key in ("k1", "k2"):
        journal.finish_lane(key, {}, objective=1.0)
    journal.path.write_bytes(journal.path.read_bytes()[:-cut])
    assert list(journal.finished()) == ["k1"] or (cut == 1 and list(journal.finished()) == ["k1", "k2"])
    journal.finish_lane("k3", {}, objective=2.0)
    assert list(journal.finished())[-1] == "k3"
    assert journal.finished()["k3"]["objective"] == 2.0


def test_a_number_that_is_not_one_never_reaches_the_journal(tmp_path):
    with pytest.raises(ValueError):
        Journal(tmp_path).append("finished", objective=float("nan"))


def test_a_lane_is_known_by_settings_data_and_code_but_not_by_their_order():
    key = lane_key({"a": 1, "b": 2.0}, "data", "code")
    assert key == lane_key({"b": 2.0, "a": 1}, "data", "code")
    others = [
        lane_key({"a": 1, "b": 2.5}, "data", "code"),
        lane_key({"a": 1, "b": 2.0}, "other", "code"),
        lane_key({"a": 1, "b": 2.0}, "data", "other"),
    ]
    assert len({key, *others}) == 4


def test_the_code_version_is_stable():
    assert code_version() == code_version()
    assert len(code_version().split("+")[1]) == 16


def test_resume_picks_the_newest_unfinished_run_of_the_same_arguments(tmp_path):
    planned(tmp_path / "toy-20260101-000000")
    planned(tmp_path / "toy-20260102-000000")
    planned(tmp_path / "toy-20260103-000000").append("judged", verdict="GO")
    planned(tmp_path / "toy-20260104-000000", arguments={**ARGUMENTS, "trials": 5})
    assert unfinished_run(tmp_path, ARGUMENTS, "d1", "c1").name == "toy-20260102-000000"


@pytest.mark.parametrize(("data", "code", "what"), [("d2", "c1", "data"), ("d1", "c2", "code")])
def test_resume_refuses_to_mix_two_experiments(tmp_path, data, code, what):
    planned(tmp_path / "toy-20260101-000000")
    with pytest.raises(InputError, match=f"its {what} was .1 and is .2 now"):
        unfinished_run(tmp_path, ARGUMENTS, data, code)


def test_nothing_to_resume_is_said(tmp_path):
    with pytest.raises(InputError, match="--resume found no unfinished run of study 'toy'"):
        unfinished_run(tmp_path, ARGUMENTS, "d1", "c1")


def test_every_line_is_json(tmp_path):
    journal = planned(tmp_path)
    journal.append("started", configs=[{"learning_rate": 1e-3}])
    assert all(json.loads(line) for line in journal.path.read_text().splitlines())
