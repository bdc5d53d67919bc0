"""The judge of results reproduces the verdict of a sweep from its own long table, interval for interval."""

from dataclasses import replace

import pyarrow as pa
import pytest

from orchestrator.judge.judging_results import judge_source
from orchestrator.judging.verdict import judge
from orchestrator.records.evidence import Evidence
from orchestrator.results.long_table import LONG_SCHEMA, long_rows, write_long_table
from tests.orchestrator.synthetic_evidence import STUDY, Truth, evidence

COLLAPSED = Truth(cos=(0.7, 0.1), ratio=(0.5, 0.05))
HEARD = {"mdn": replace(COLLAPSED, quality=0.3), "vmf": replace(COLLAPSED, quality=0.4)}
MADE = {  # by name: what the arms are like, on what, and the verdict
    "GO": ({"mdn": COLLAPSED, "vmf": Truth()}, {}, "GO"),
    "heard": (HEARD, {"codec": "logmel"}, "NO-GO"),
    "diverged": ({"mdn": Truth(diverged=1), "vmf": Truth(diverged=2)}, {}, "INCONCLUSIVE"),
    "unlearnt": (
        {"mdn": COLLAPSED, "vmf": replace(COLLAPSED, ridge=(0.75, 0.4), late_gain=0.3)},
        {},
        "INCONCLUSIVE",
    ),
    "plant missed": ({"mdn": COLLAPSED, "vmf": Truth(kept=(0.3, 0.2))}, {}, "INADMISSIBLE"),
}


def numbers(judgement):
    """Everything of a judgement that is measured: outcomes and all intervals, to the last digit."""
    criteria = [result.to_json() for result in judgement.criteria]
    plants = [reading.to_json() for reading in judgement.plants]
    learning = {arm: state.to_json() for arm, state in judgement.learning.items()}
    steps = {arm: passage.to_json() for arm, passage in judgement.one_step.items()}
    return judgement.verdict, judgement.reason, criteria, plants, learning, steps, judgement.modes


@pytest.mark.parametrize("made", MADE)
def test_the_verdict_of_a_sweep_comes_again_from_its_own_long_table(made, tmp_path):
    truths, options, expected = MADE[made]
    suffix = ".parquet" if made == "diverged" else ".csv"
    record = evidence(truths, speakers=4, **options)
    record.write(tmp_path / "evidence.json")  # as a sweep leaves it
    record = Evidence.read(tmp_path / "evidence.json")
    sealed = judge(STUDY, record)
    assert sealed.verdict == expected
    write_long_table(long_rows(record), tmp_path / f"long{suffix}")
    after = judge_source(str(tmp_path / f"long{suffix}"), STUDY.name).judgement
    assert numbers(after) == numbers(sealed)
    without_ridge = not any(arm.ridge for arm in record.arms.values())
    assert len(after.missing) == without_ridge
    assert after.after_the_fact == "not sealed: judged after the fact"
    assert not after.seal and after.posterior == STUDY.prior.probability


def test_an_edited_number_changes_the_verdict(tmp_path):
    record = evidence(speakers=4)
    table = long_rows(record).to_pylist()
    for row in table:
        if row["arm"] == "vmf" and row["metric"] == "cos" and row["surrogate"] == "real":
            row["sum"] -= 0.6 * row["count"]
    write_long_table(pa.Table.from_pylist(table, LONG_SCHEMA), tmp_path / "long.csv")
    assert judge_source(str(tmp_path / "long.csv"), STUDY.name).judgement.verdict == "NO-GO"
