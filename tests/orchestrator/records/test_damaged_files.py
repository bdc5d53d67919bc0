"""What a run folder holds comes from outside: damaged files end in a sentence, or count as missing."""

import io
import os
import pickle

import pytest
import torch

from orchestrator.lifecycle.assay import assays
from orchestrator.records.journal import Journal
from orchestrator.records.lane_store import LaneStore
from orchestrator.runtime.tensor_files import read_tensors
from trainables.errors import InputError


class Malicious:
    """Runs a command where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


def _saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


DAMAGED = {
    "empty": b"",
    "text": b"not tensors",
    "cut": _saved({"w": torch.zeros(1000)})[:700],
    "a pickle that runs code": pickle.dumps(Malicious()),
    "a file of torch that runs code": _saved(Malicious()),
    "no dict": _saved(torch.zeros(3)),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_weights_are_a_sentence_with_a_remedy_and_run_nothing(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = LaneStore(tmp_path)
    (tmp_path / "k.pt").write_bytes(DAMAGED[kind])
    with pytest.raises(InputError, match=r"k\.pt .*delete it and k\.json") as error:
        store.weights("k")
    assert "\n" not in str(error.value) and not (tmp_path / "made-by-a-pickle").exists()
    with pytest.raises(InputError, match="packs/p.pt"):
        read_tensors(DAMAGED[kind], "packs/p.pt", "delete it")


def test_weights_that_are_whole_are_read(tmp_path):
    (tmp_path / "k.pt").write_bytes(_saved({"w": torch.ones(2)}))
    assert LaneStore(tmp_path).weights("k")["w"].tolist() == [1, 1]
    assert LaneStore(tmp_path).weights("other") is None


@pytest.mark.parametrize("text", ["", "{", "5", "[]", "null", "\udcff"])
def test_a_damaged_result_counts_as_none(text, tmp_path):
    (tmp_path / "k.json").write_text(text, errors="surrogateescape")
    assert LaneStore(tmp_path).result("k") is None


@pytest.mark.parametrize("line", ["5", "null", "[1]", "{}", '{"event": "judged"}', '{"event": "finished"}'])
def test_a_line_that_is_no_event_is_named(line, tmp_path):
    journal = Journal(tmp_path)
    journal.append("opened")
    journal.path.write_text(f"{journal.path.read_text()}{line}\n")
    with pytest.raises(InputError, match=r"line 2 of .*journal\.jsonl"):
        journal.events()


@pytest.mark.parametrize("text", ["", "5", "{}", None])
def test_a_control_world_whose_verdict_is_damaged_is_named(text, tmp_path):
    cited = type("Cited", (), {"controls": {"directional": "GO"}, "assay": "assay"})()

    def run(world, folder):
        Journal(folder).append("judged", verdict="GO")
        if text is not None:
            (folder / "verdict.json").write_text(text)

    with pytest.raises(InputError, match=r"verdict\.json cannot be read .*delete"):
        assays(cited, tmp_path, 1, run)
