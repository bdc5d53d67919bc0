"""The record of a sweep is written as plain data, and comes back with its types."""

import json

import pytest

from orchestrator.records.evidence import Ablation, Evidence
from tests.orchestrator.synthetic_evidence import Truth, evidence
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import Surrogate
from trainables.predictor.scores import LaneStatus


def _record() -> Evidence:
    record = evidence({"mdn": Truth(diverged=1), "vmf": Truth(ridge=(0.6, 0.1))}, exhibits=1)
    replicates = record.arms["vmf"].replicates
    record.ablations = [Ablation(["part"], {"depth": 1}, replicates, {"width": 8}, replicates[:1])]
    return record


def test_a_record_comes_back_as_it_was(tmp_path) -> None:
    record = _record()
    record.write(tmp_path / "evidence.json")
    again = Evidence.read(tmp_path / "evidence.json")
    assert again == record
    again.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == (tmp_path / "evidence.json").read_text()
    lanes = [lane for arm in again.arms.values() for lane in (*arm.replicates, *arm.nulls)]
    assert {type(lane.status) for lane in lanes} == {LaneStatus}
    assert {type(lane.surrogate) for lane in lanes} == {Surrogate}
    assert isinstance(again.arms["vmf"].explored[0].config, LaneConfig)


def test_settings_and_states_are_plain_text_in_the_file(tmp_path) -> None:
    record = _record()
    record.write(tmp_path / "evidence.json")
    arm = json.loads((tmp_path / "evidence.json").read_text())["arms"]["mdn"]
    assert arm["config"] == record.arms["mdn"].config.to_json()
    assert list(arm["config"]) == list(record.arms["mdn"].config.to_json())
    assert [lane["surrogate"] for lane in arm["nulls"]] == ["white", "gaussian"]
    assert [lane["status"] for lane in arm["replicates"]] == ["diverged"] + ["finished"] * 5


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"head": "vmf"', '"haed": "vmf"'),
        ('"status": "finished"', '"status": "lost"'),
        ('"surrogate": "white"', '"surrogate": "pink"'),
    ],
)
def test_a_record_of_another_version_is_refused(tmp_path, old: str, new: str) -> None:
    path = tmp_path / "evidence.json"
    _record().write(path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match="not the record of a run, or one of another version"):
        Evidence.read(path)
