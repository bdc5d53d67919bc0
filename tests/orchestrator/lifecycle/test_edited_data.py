"""Latents that are edited between sealing and confirming end INADMISSIBLE, or are refused."""

from dataclasses import replace

import pytest

from orchestrator.datasets.collection import open_collection
from orchestrator.judging.verdict import Verdict, judge
from orchestrator.lifecycle.sealing import make_seal
from orchestrator.planning.plan import make_plan
from orchestrator.records.seal import breaches, write_seal
from tests.orchestrator.synthetic_evidence import STUDY, evidence
from tests.orchestrator.tiny_world import write_latents
from tests.trainables.latents.storage.edited_files import negate_latents
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.latents.storage.dataset import Split, open_dataset, whole_file, write_utterances
from trainables.latents.storage.parquet_file import table_utterances

WINNERS = {"mdn": LaneConfig.of({"head": "mdn", "components": 2}), "vmf": LaneConfig.of({"head": "vmf"})}


@pytest.fixture
def latents(tmp_path):
    (tmp_path / "latents").mkdir()
    return write_latents(tmp_path / "latents")


def seal_of(latents):
    return make_seal(make_plan(STUDY), open_collection([str(latents)]), WINNERS, "code")


def verdict_on(sealed, folder, latents):
    """The verdict on a record that was sealed, once the seal is compared with the data as they are now."""
    write_seal(folder, sealed)
    record = evidence()
    record.data["hash"] = sealed["data"]["hash"]
    record.seal, record.broken = {**record.seal, "data": sealed["data"]}, []
    before = judge(STUDY, record).verdict
    record.broken = breaches(sealed, folder, seal_of(latents))
    return before, judge(STUDY, record)


def encode_again(latents, change):
    """Write changed latents with a footer of their own, as someone would who knows the format."""
    (file,) = latents.glob("*.parquet")
    meta, rows = open_dataset(latents).meta, table_utterances(whole_file(file))
    write_utterances(file, [change(row) for row in rows], meta)


def test_data_that_stayed_keep_their_seal(latents, tmp_path):
    sealed = seal_of(latents)
    encode_again(latents, lambda row: row)
    before, judgement = verdict_on(sealed, tmp_path / "run", latents)
    assert before == judgement.verdict == Verdict.GO


def test_one_test_speaker_negated_after_sealing_is_inadmissible(latents, tmp_path):
    sealed = seal_of(latents)
    encode_again(
        latents, lambda row: replace(row, latents=-row.latents) if row.speaker_id == "test0" else row
    )
    before, judgement = verdict_on(sealed, tmp_path / "run", latents)
    assert (before, judgement.verdict) == (Verdict.GO, Verdict.INADMISSIBLE)
    assert "data: hash was" in judgement.reason.lower()


def test_the_same_edit_under_the_old_footer_is_refused_where_confirmation_reads(latents):
    opened = open_dataset(latents)
    sealed = seal_of(latents)
    negate_latents(next(latents.glob("*.parquet")))
    assert seal_of(latents) == sealed, "the footer claims that nothing has changed"
    for dataset in (opened, open_dataset(latents)):
        with pytest.raises(InputError, match="holds other latents of utterance test0-0 "):
            list(dataset.tables(Split.TEST))
