"""The report opens offline, says the verdict first, and leaves out nothing that was asked of it."""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from orchestrator.judging.verdict import Verdict, judge
from orchestrator.reporting.figures import Line, effects_figure, rollout_figure
from orchestrator.reporting.glossary import GLOSSARY
from orchestrator.reporting.study_markdown import markdown
from orchestrator.reporting.study_page import write_report
from orchestrator.reporting.templating import TEMPLATES
from orchestrator.reporting.verdict_answer import verdict_answer
from orchestrator.statistics.intervals import Interval
from search_spaces import load
from search_spaces.study import criteria_hash
from tests.orchestrator.synthetic_evidence import STUDY, Truth, evidence

LOST = {"mdn": Truth(cos=(0.7, 0.1), ratio=(0.3, 0.03)), "vmf": Truth(cos=(0.7, 0.05), information=0.0)}
WORLD = {
    "name": "directional",
    "parameters": {"cosine": 0.73},
    "optimum": {
        "one_step_cosine": 0.73,
        "cos": list(np.linspace(0.73, 0.69, 16)),
        "magnitude_ratio": list(np.linspace(0.95, 0.7, 16)),
        "nll": None,
        "predictive_information": 6.1,
        "how": "Monte Carlo",
    },
}
VOID = {"img", "br", "hr", "meta", "link", "input", "col", "source", "wbr"}


class _Page(HTMLParser):
    """Ids, addresses, and whether every element is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids, self.addresses, self.open, self.tags, self.words = [], [], [], [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.addresses += [attrs[k] for k in ("src", "href", "xlink:href") if k in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def _report(folder, record, study=STUDY):
    judgement = judge(study, record)
    raw = write_report(folder, study, record, judgement)[0].read_text(encoding="utf-8")
    return judgement, raw, _Page(raw)


def test_the_page_is_whole_and_asks_nothing_of_the_network(tmp_path):
    _, raw, page = _report(tmp_path, evidence(world=WORLD, exhibits=2, codec="soundstream"))
    assert len(page.ids) == len(set(page.ids))
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    referred = set(re.findall(r"url\(#([^)]+)\)", raw)) | {a[1:] for a in page.addresses if a.startswith("#")}
    assert referred <= set(page.ids)
    assert "@import" not in raw and not re.search(r"url\((?!#)", raw)
    (script,) = re.findall(r"<script(.*?)</script>", raw, re.DOTALL)  # the cursor over spectrograms, no more
    assert script[1:].strip() == (TEMPLATES / "players.js").read_text().strip() and "http" not in script
    drawings = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len(drawings) == 4 and all(d["role"] == "img" and d["aria-label"] for d in drawings)
    assert not re.search(
        r"#0[0-9a-f]{5}\b.*?</svg>|#(?:c24e00|96407a|15191e|e1e5ea)", raw[raw.index("<svg") :]
    )  # colours of one scheme are gone


@pytest.mark.parametrize("truths", [None, LOST], ids=["go", "no-go"])
def test_the_verdict_comes_first_and_its_numbers_with_it(tmp_path, truths):
    judgement, _, page = _report(tmp_path, evidence(truths))
    said = page.text
    assert said.index(str(judgement.verdict)) < said.index("What follows:") < said.index("Criteria")
    assert judgement.reason in said and STUDY.consequences[str(judgement.verdict)] in said
    assert "Probability given to it before the run: 0.60" in said
    for result in judgement.criteria:
        assert result.criterion.name in said and str(result.outcome) in said
    assert "1/√2 = 0.707" in said and all(p.sentence in said for p in judgement.one_step.values())


def test_the_first_screen_says_what_was_asked_and_what_was_checked(tmp_path):
    record = evidence()
    _, _, page = _report(tmp_path / "sound", record)
    first = page.text[: page.text.index("Criteria")]
    assert first.index(STUDY.hypothesis.split("head")[1][:40]) < first.index("What follows:")
    assert "Why this may be trusted" in first and "for the first time" in first
    assert f"{len(record.assays)} of {len(record.assays)} control worlds" in first
    record.provenance["smoke"] = True
    assert "Why this may be trusted" not in _report(tmp_path / "smoke", record)[2].text
    record.provenance["smoke"] = False
    record.seal, record.provenance["earlier_verdicts"] = {}, ["GO in a", "NO-GO in b"]
    judgement, _, page = _report(tmp_path / "unsealed", record)
    assert judgement.verdict is Verdict.INADMISSIBLE
    first = page.text[: page.text.index("Criteria")]
    assert "Why this may be trusted" not in first and "What was checked" in first
    assert "Against it: no plan was sealed" in first and "2 times before" in first


def test_noise_gets_a_no_go_and_the_reason_why_its_cosine_is_no_evidence(tmp_path):
    judgement, _, page = _report(tmp_path, evidence(LOST))
    assert judgement.verdict is Verdict.NO_GO
    assert "the cosine alone is no evidence that anything was predicted" in page.text
    assert "indistinguishable from zero in this run" in page.text


def test_a_control_world_shows_its_optimum_and_real_data_do_not(tmp_path):
    _, raw, page = _report(tmp_path / "world", evidence(world=WORLD))
    assert "best possible" in raw and "“directional”: the answer is known" in page.text
    _, raw, _ = _report(tmp_path / "real", evidence())
    assert "best possible" not in raw and "the answer is known" not in raw


def test_injections_and_sampled_runs_are_shown_where_they_were_measured(tmp_path):
    record = evidence()
    _, _, page = _report(tmp_path / "with", record)
    assert "A: after every step" in page.text and "D: never (the free run)" in page.text
    assert page.text.index("energy score@1") > 0
    best = page.text.split("CRPS@16")[1].split()[0]
    assert best == "vmf"  # its cosine is better, and so are its made-up scores
    for arm in record.arms.values():
        for lane in (*arm.replicates, *arm.nulls):
            for name in [n for n in lane.scores["sums"] if n[-2:] in ("_A", "_B", "_C") or n in ("crps",)]:
                del lane.scores["sums"][name]
    _, _, page = _report(tmp_path / "without", record)
    assert "A: after every step" not in page.text and "CRPS" not in page.text


def test_terms_are_explained_where_they_first_stand_and_in_a_list_of_those_that_are_used(tmp_path):
    record = evidence()
    _, raw, page = _report(tmp_path / "with", record)
    tooltips = [attrs["title"] for tag, attrs in page.tags if tag == "abbr"]
    assert set(tooltips) <= set(GLOSSARY.values())
    for name in (
        "rollout",
        "teacher forcing",
        "null",
        "shuffled frames",
        "injection A-D",
        "kappa",
        "p (Holm)",
    ):
        assert GLOSSARY[name] in tooltips and f"<dt>{name}</dt>" in raw, name
    assert "<dt>ablation</dt>" not in raw and "<dt>cos@k</dt>" in raw


@pytest.mark.parametrize("beats_null", [True, False])
def test_a_measured_null_stands_beside_the_deciding_figure_whether_or_not_it_has_to_be_beaten(
    beats_null, tmp_path
):
    first, *others = STUDY.criteria
    study = replace(STUDY, criteria=(replace(first, beats_null=beats_null), *others))
    _, _, page = _report(tmp_path, evidence(), study)
    beside = page.text.split("Deciding criterion", 1)[1].split("Belief in", 1)[0]
    assert "shuffled frames give 0." in beside


def test_sound_is_inside_the_page_or_a_sentence_says_why_not(tmp_path):
    record = evidence(exhibits=2, codec="soundstream")
    _, _, page = _report(tmp_path / "sound", record)
    players = [attrs for tag, attrs in page.tags if tag == "audio"]
    assert len(players) == 8
    assert all(p["src"].startswith("data:audio/wav;base64,UklGR") and p["aria-label"] for p in players)
    _, _, silent = _report(tmp_path / "silent", evidence())
    assert "this representation has no decoder" in silent.text
    assert not [tag for tag, _ in silent.tags if tag == "audio"]


def test_diverged_lanes_and_missing_nulls_are_said_not_hidden(tmp_path):
    record = evidence({"mdn": Truth(), "vmf": Truth(diverged=2)})
    record.arms["mdn"].nulls.clear()
    _, _, page = _report(tmp_path, record)
    assert "6, of which 2 diverged" in page.text and "12, of which 1 diverged" in page.text
    assert "shuffled frames would give 0.707 (1/√2) by formula, and were not run" in page.text


def test_nothing_at_all_still_makes_a_page(tmp_path):
    record = evidence({"mdn": Truth(diverged=6), "vmf": Truth(diverged=6)})
    record.baselines.clear()
    for arm in record.arms.values():
        arm.nulls.clear()
        for lane in arm.explored:
            lane.objective, lane.status = None, "diverged"
    judgement, _, page = _report(tmp_path, record)
    assert judgement.verdict is Verdict.INADMISSIBLE
    assert "All 6 replicates of the vmf arm diverged" in page.text


def test_a_smoke_run_says_that_it_is_no_evidence(tmp_path):
    record = evidence()
    record.provenance["smoke"] = True
    judgement, _, page = _report(tmp_path, record)
    assert page.text.index("far too small to be evidence") < page.text.index("What follows:")
    for said in (page.text, (tmp_path / "report.md").read_text().replace("**", "")):
        assert re.search(r"What follows:\s+Nothing yet; run it without --smoke", said)
    assert str(judgement).startswith(f"{judgement.verdict} (smoke run: not evidence): ")
    assert judgement.consequence not in str(judgement)
    assert verdict_answer(tmp_path, judgement)["smoke"] is True


def test_what_data_say_cannot_become_markup(tmp_path):
    record = evidence()
    record.data["path"] = "<img src=x onerror=alert(1)>"
    record.provenance["command"] = "sweep </pre><b>"
    _, raw, _ = _report(tmp_path, record)
    assert "<img" not in raw and "</pre><b>" not in raw


def test_verdict_json_carries_the_numbers_the_study_and_the_hashes(tmp_path):
    judgement, _, _ = _report(tmp_path, evidence())
    found = json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))
    assert found["verdict"] == "GO" and found["reason"] == judgement.reason
    assert found["criteria"][0]["estimate"]["low"] == judgement.criteria[0].estimate.low
    assert found["hashes"] == {
        "criteria": criteria_hash(STUDY),
        "data": "d" * 64,
        "git_commit": "0123456789abcdef",
        "seal": judgement.seal,
    }
    assert found["posterior"] == judgement.posterior and found["assays"][0]["verdict"] == "GO"
    assert found["declared"]["name"] == "vmf_vs_mdn" and found["modes"]["mdn"][-1] == "A"


def test_the_arms_of_a_study_of_many_stand_in_order_with_the_differences_that_are_not_decided(tmp_path):
    study = load("rollout_loss")
    skills = {"mixed": 0.6, "energy": 0.6, "linear": 0.1, "teacher": 0.3, "today": 0.2}
    record = evidence({name: Truth(cos=(skill, skill)) for name, skill in skills.items()}, study=study)
    _, raw, page = _report(tmp_path, record, study)
    assert "All arms in order" in page.text and "Not measured, and so in no place: harm." in page.text
    table = raw[raw.index('aria-label="All arms, by what decides"') :]
    places = [table.index(f"<small>{arm.title}</small>") for arm in study.arms if arm.name in skills]
    mixed, teacher, today, energy, linear = places
    top, below = raw.split('id="question"')
    assert "mixed less teacher" in top and "did not decide" not in top
    assert "mean energy skill@1–8 of every arm" in below and "of every arm" not in top
    assert max(mixed, energy) < teacher < today < linear
    ranking = json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))["ranking"]
    assert [each["arm"] for each in ranking][2:] == ["teacher", "today", "linear"]
    assert ranking[0]["behind"] is None and ranking[0]["undecided"] == [ranking[1]["arm"]]
    assert "told apart from " + ranking[1]["arm"] in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_two_arms_are_not_put_in_order(tmp_path):
    _, raw, _ = _report(tmp_path, evidence())
    assert "All arms in order" not in raw
    assert json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))["ranking"] == []


def test_the_summary_opens_with_the_verdict():
    judgement = judge(STUDY, evidence())
    lines = markdown(STUDY, evidence(), judgement).splitlines()
    assert lines[0] == "# GO" and lines[2] == judgement.reason
    assert "0.60 before the run, 0.98 after it" in "\n".join(lines)
    start = lines.index("## Criteria") + 2
    table = lines[start : start + 2 + len(judgement.criteria)]
    assert all(line.startswith("|") for line in table) and len({line.count("|") for line in table}) == 1


def test_a_figure_draws_the_numbers_it_is_given():
    points = [Interval(v, v - 0.1, v + 0.1, 5, 3) for v in (0.8, 0.4)] + [None]
    drawn = rollout_figure(
        "f", [Line("x", 0, points)], ylabel="y", description='a "b" <c>', frame_seconds=0.08
    )
    assert 'aria-label="a &quot;b&quot; &lt;c&gt;"' in drawn and "var(--arm-0)" in drawn
    assert ">milliseconds<" in drawn and ">rollout step k, frames<" in drawn
    markers = re.findall(
        r'<use xlink:href="#f-[^"]+" x="([\d.]+)" y="([\d.]+)" style="fill: var\(--arm-0', drawn
    )
    (x1, y1), (x2, y2) = sorted({(float(x), float(y)) for x, y in markers if float(x) > 0})[
        :2
    ]  # not the band
    assert x1 < x2 and y1 < y2  # the page's y grows downwards


@pytest.mark.parametrize("value", [-1.03, 1.03])
def test_what_lies_far_from_all_others_is_an_arrow_with_its_figure(value):
    def row(name, at):
        return name, Interval(at, at - 0.02, at + 0.02, 5, 3)

    near = [row(f"near{i}", 0.05 + 0.01 * i) for i in range(6)]
    alone, beside = (effects_figure("e", rows, xlabel="x") for rows in (near, [*near, row("far", value)]))
    told = f"{value:.2f}".replace("-", "−")
    assert f">{told}<" in beside and f">{told}<" not in alone
    assert f"far: {told}" in beside and "near5: 0.1" in beside  # what is read aloud has all figures

    def places(drawn):
        marks = re.findall(r'<use xlink:href="#e-[^"]+" x="([\d.]+)" y="[\d.]+" style="fill: var', drawn)
        return sorted(map(float, marks))[:-1] if value > 0 else sorted(map(float, marks))[-6:]

    spread = [max(found) - min(found) for found in map(places, (beside, alone))]
    assert spread[0] > 0.6 * spread[1]  # the others keep their room
    lost = ("lost", Interval(math.nan, -math.inf, math.inf, 5, 3))
    beside_lost = effects_figure("e", [*near, lost], xlabel="x")
    assert beside_lost.count("<use") == alone.count("<use") + 1  # the tick of its name, and no mark
    few = effects_figure("e", [near[0], near[1], row("far", value)], xlabel="x")
    assert f">{told}<" not in few  # of so few it cannot be said who is far from the others


def test_nulls_are_drawn_dotted_and_hollow():
    rows = [(name, Interval(at, at - 0.02, at + 0.02, 5, 3)) for name, at in (("arm", 0.1), ("null", 0.2))]
    same, told = effects_figure("e", rows, xlabel="x"), effects_figure("e", rows, xlabel="x", nulls=["null"])
    assert told.count("stroke-dasharray") == same.count("stroke-dasharray") + 1
    # A filled mark follows the page's colour by its fill, a hollow one by its stroke alone.
    filled = r'<use xlink:href="#e-[^"]+" [^>]*fill: var\(--arm-0'
    marks = [re.findall(filled, drawn) for drawn in (same, told)]
    assert len(marks[0]) == len(marks[1]) + 1
