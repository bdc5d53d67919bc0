"""The report as Markdown stays a report, whatever names and reasons say."""

import dataclasses

import pytest
from markdown_it import MarkdownIt

from orchestrator.judging.verdict import judge
from orchestrator.reporting.study_markdown import markdown
from orchestrator.runtime.markdown_text import as_block, as_code, as_text
from search_spaces import load
from tests.orchestrator.synthetic_evidence import Truth, evidence

STUDY = load("vmf_vs_mdn")
EVIL = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[press me](javascript:alert(1))",
    "![seen](https://example.org/pixel.png)",
    "`code` ends | here | <b>",
    "two\n\n# lines",
    "<https://example.org>",
)
READER = MarkdownIt("commonmark", {"html": True}).enable("table")


def tags(html: str) -> set[str]:
    return {part.split(">")[0].split()[0].strip("/") for part in html.split("<")[1:]}


@pytest.mark.parametrize("text", EVIL)
def test_text_of_others_brings_no_link_picture_or_tag(text: str) -> None:
    html = READER.render(f"before {as_text(text)} after\n\n{as_code(text)}\n\nthen:\n\n{as_block(text)}\n")
    assert tags(html) <= {"p", "code", "pre"}
    assert html.count("<code>") >= 2


@pytest.mark.parametrize("text", EVIL)
def test_a_report_has_the_headings_and_tables_it_always_has(text: str) -> None:
    record = evidence({"mdn": Truth(), "vmf": Truth()})
    plain = READER.render(markdown(STUDY, record, judge(STUDY, record)))
    record.provenance |= {"command": text, "code": text}
    record.assays[0] = dataclasses.replace(record.assays[0], reason=text)
    judgement = dataclasses.replace(judge(STUDY, record), reason=text, consequence=text)
    html = READER.render(markdown(STUDY, record, judgement))
    for tag in ("<h1", "<h2", "<table", "<tr", "<td", "<a", "<img", "<script"):
        assert html.count(tag) == plain.count(tag), tag
