"""What reports say of a search: whether configurations were told apart, and only then what mattered."""

from html import unescape

import pytest

from orchestrator.judging.search_reliability import EQUALS, UNTOLD, Agreement, Reliability
from orchestrator.judging.verdict import judge
from orchestrator.records.evidence import Evidence
from orchestrator.reporting.search_reliability import agreement_text, importance_rows, reliability_rows
from orchestrator.reporting.study_page import write_report
from tests.orchestrator.synthetic_evidence import STUDY, evidence


def agreement(p, correlation=0.8, count=8):
    return Agreement(correlation=correlation, p=p, least_p=0.001, configurations=count)


def record(halves, seeds, importances):
    reliability = Reliability(halves=halves, seeds=seeds, speakers=12).to_json()
    coverage = "8 of 24 structures are tried; --trials 48 would try each"
    return {"structures": coverage, "reliability": reliability, "importances": importances}


SEARCH = {
    "mdn": record(agreement(0.001), agreement(0.3, 0.2), {}),
    "vmf": record(agreement(0.001), agreement(0.002), {"learning_rate": 0.75, "feedback": 0.25}),
}


def test_an_arm_is_told_apart_where_both_correlations_are_positive():
    structures, halves, seeds, so = reliability_rows(SEARCH, ["mdn", "vmf", "settled"])
    assert structures[1:] == [SEARCH["mdn"]["structures"]] * 2 + ["–"]
    assert (halves[1], seeds[1]) == (
        "0.800 (p = 0.001, of 8 configurations)",
        "0.200 (p = 0.300, of 8 configurations)",
    )
    assert so[1:] == [EQUALS, "the search told configurations apart", "–"]
    assert reliability_rows({}, ["mdn"]) == []


def test_of_too_few_configurations_it_is_not_said_that_they_are_equals():
    search = {"mdn": record(None, None, {}), "vmf": record(agreement(0.3), None, {})}
    *_, so = reliability_rows(search, ["mdn", "vmf"])
    assert so[1:] == [UNTOLD, EQUALS]


def test_importances_are_shown_of_arms_that_have_them():
    assert importance_rows(SEARCH, ["mdn", "vmf"]) == [
        ["learning_rate", "–", "75 %"],
        ["feedback", "–", "25 %"],
    ]
    assert importance_rows({"mdn": SEARCH["mdn"]}, ["mdn"]) == []


def test_few_configurations_are_said_to_be_few():
    few = Agreement(correlation=1.0, p=1 / 24, least_p=1 / 24, configurations=4)
    assert agreement_text(few) == "1.00 (p = 0.042, of 4 configurations; so few show no p below 0.042)"
    assert agreement_text(None) == "not measured"


@pytest.mark.parametrize("search", [SEARCH, {"mdn": SEARCH["mdn"]}, {}])
def test_a_report_made_anew_from_its_record_says_the_same(search, tmp_path):
    found = evidence()
    found.search = search
    found.write(tmp_path / "evidence.json")
    again = Evidence.read(tmp_path / "evidence.json")
    assert again.search == search
    files = write_report(tmp_path, STUDY, again, judge(STUDY, again))
    page, text = (
        unescape(next(f for f in files if f.suffix == kind).read_text()) for kind in (".html", ".md")
    )
    assert (EQUALS in page) == (EQUALS in text) == ("mdn" in search)
    assert ("8 of 24 structures are tried" in page) == bool(search)
    assert ("75 %" in page) == ("vmf" in search)
