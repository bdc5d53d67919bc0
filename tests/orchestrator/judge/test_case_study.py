"""The case study's numbers are those that the judge gives for the file beside it."""

import re
from pathlib import Path

import pytest

from orchestrator.judge.judging_results import judge_source
from orchestrator.statistics.wording import number
from trainables.latents.batching.surrogates import Surrogate

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "case_study.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:2] == "| "
]
STUDIES = ("vmf_vs_mdn", "representations", "score_correction")


@pytest.fixture(scope="module")
def judged():
    return {name: judge_source(str(DOCS / "case_study.csv"), name, frame_rate=12.5) for name in STUDIES}


def test_the_verdicts_are_those_of_the_page(judged):
    table = {row[0]: row[1:] for row in ROWS if row[0] in STUDIES}
    assert list(table) == list(STUDIES)
    for name, (verdict, reason) in table.items():
        judgement = judged[name].judgement
        assert judgement.verdict == verdict and judgement.reason.startswith(reason), name
        assert judgement.after_the_fact and any("No seeds" in each for each in judgement.missing)


def test_the_figures_and_what_exceeds_their_nulls_are_those_of_the_page(judged):
    claims = [row for row in ROWS if len(row) == 6 and row[0] != "claim" and not set(row[0]) <= set("- ")]
    assert len(claims) == 4
    for _, arm, metric, published, null, beyond in claims:
        run = judged["representations" if metric == "-dnll" else "vmf_vs_mdn"]
        value = run.measures.value(arm, metric).estimate
        white = run.measures.value(arm, metric, surrogate=Surrogate.WHITE).estimate
        shown = [float(cell.replace("−", "-")) for cell in (published, null, beyond)]
        digits = 10 ** -len(published.partition(".")[2])
        assert shown == pytest.approx(
            [value, white, run.measures.excess(arm, metric).estimate], abs=digits / 2
        )


def test_what_the_text_says_of_the_free_run_and_of_correction_is_what_was_judged(judged):
    run = judged["vmf_vs_mdn"]
    primary = run.judgement.primary
    assert primary.outcome == "undecided" and f"cos@16 is {number(primary.estimate.estimate)}" in PAGE
    ratio = run.measures.value("vmf", "magnitude_ratio@16").estimate
    assert re.search(rf"magnitude ratio is {ratio:.0f}\b", PAGE)
    assert run.judgement.modes["vmf"][15] == "C"  # it moves, in no direction
    gained = judged["score_correction"].measures.value("corrected", "state_error_gained").estimate
    assert f"a state error {-gained:.0f} larger" in " ".join(PAGE.split())
