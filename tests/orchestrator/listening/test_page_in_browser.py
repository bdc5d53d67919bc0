"""The page in a real browser: taken by keyboard and by touch, paused and taken up, and its file collected."""

import json

import pytest

from orchestrator.judging.criteria import Outcome
from orchestrator.listening.answers import read_answers
from orchestrator.listening.collecting import collect_answers, sealed_panel
from orchestrator.listening.panel import COPY, FROZEN, PANEL_FOLDER, WALK, Kind, Method
from search_spaces.study import PREFERENCE
from tests.orchestrator.listening.browser import CHROMIUM, browser
from tests.orchestrator.listening.listeners import (
    ARM,
    VERSUS,
    panel_answers,
    panel_of,
    prefers,
    run_with_panel,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def run(tmp_path):
    """A run with a panel of 12 pairs, its page, and what each sound is."""
    run, trials = run_with_panel(tmp_path, pairs=12)
    page = run / PANEL_FOLDER / "listen.html"
    page.write_text(panel_of(pairs=12)[2][0].html)
    return run, page, {name: s for t in trials for name, s in zip(t.sounds, t.sources, strict=True)}, trials


def right(tab, sources, kinds):
    """Which button a careful listener who prefers the arm presses: 0, 1 or "none"."""
    name = tab.value("state.order[state.at].name")
    sounds = tab.value("state.order[state.at].sounds")
    wanted = {Kind.IDENTICAL: None, Kind.RANDOM: COPY}.get(kinds[name], ARM)
    return "none" if wanted is None else [sources[sound] for sound in sounds].index(wanted)


def test_a_test_is_taken_by_keyboard_paused_taken_up_by_touch_and_collected(run, tmp_path):
    folder, page, sources, trials = run
    kinds = {trial.name: trial.kind for trial in trials}
    with browser(tmp_path / "profile") as tab:
        tab.open(page)
        tab.type("anna")
        tab.press("Enter")
        tab.until("!document.getElementById('trial').hidden")
        assert tab.value("document.getElementById('prefer-0').disabled"), "locked until both were heard"
        tab.press("1")
        assert tab.value("Object.keys(state.choices).length") == 0
        tab.press("a")
        tab.until("state.heard[0]")
        assert tab.value("document.getElementById('prefer-0').disabled"), "one of two is not enough"
        order = tab.value("state.order.map((trial) => trial.name)")
        for done in range(9):
            for key, side in (("a", 0), ("b", 1)):
                tab.press(key)
                tab.until(f"state.heard[{side}]")
            tab.press({0: "1", 1: "2", "none": "0"}[right(tab, sources, kinds)])
            tab.until(f"Object.keys(state.choices).length === {done + 1}")
        tab.phone()
        tab.open(page)  # closed and opened again, later and on a small screen
        tab.value("document.getElementById('code-of-listener').value = 'anna'")
        tab.tap("begin")
        tab.until("!document.getElementById('trial').hidden")
        assert tab.value("document.getElementById('count').textContent") == f"10 of {len(trials)}"
        assert tab.value("state.order.map((trial) => trial.name)") == order
        assert tab.value("document.documentElement.scrollWidth") <= 390
        for done in range(9, len(trials)):
            for side in (0, 1):
                tab.tap(f"play-{side}")
                tab.until(f"state.heard[{side}]")
            choice = right(tab, sources, kinds)
            tab.tap("neither" if choice == "none" else f"prefer-{choice}")
            tab.until(f"Object.keys(state.choices).length === {done + 1}")
        tab.until("!document.getElementById('end').hidden")
        written = tab.value("document.getElementById('answers').value")
        sent = tab.value("fetch(document.getElementById('download').href).then((file) => file.text())")
        assert tab.errors == [] and sent == written
    file = tmp_path / "anna.json"
    file.write_text(written)
    panel, by_name, pages, _ = sealed_panel(folder)
    _, answers = read_answers(file, panel, pages, by_name)
    assert {answers.preferred(t) for t in trials if t.kind is Kind.PREFERENCE} == {ARM}
    others = panel_answers(folder, trials, [prefers(0.8)] * 7)
    judgement = collect_answers(folder, [file, *others]).judgement
    (result,) = (r for r in judgement.criteria if r.criterion.metric == PREFERENCE)
    assert result.outcome is Outcome.MET and result.estimate.n_seeds == 8


def test_25_pairs_of_3_seconds_are_light_load_at_once_and_work_without_a_network(tmp_path):
    _, trials, (page,) = panel_of(pairs=25, seconds=3.0, rate=24_000)
    file = tmp_path / "listen.html"
    file.write_text(page.html)
    assert 10e6 < file.stat().st_size < 25e6
    with browser(tmp_path / "profile") as tab:
        taken = []
        for _ in range(3):  # the machine may be busy with something else
            tab.open(file)
            tab.until("performance.timing.loadEventEnd > 0 && !document.getElementById('start').hidden")
            taken.append(tab.value("performance.timing.loadEventEnd - performance.timing.navigationStart"))
        assert min(taken) < 2000, f"{taken} milliseconds"
        tab.type("anna")
        tab.press("Enter")
        tab.until("!document.getElementById('trial').hidden")
        assert tab.value("state.order.length") == len(trials) == 31
        tab.press("a")
        tab.until("state.heard[0]")
        assert tab.errors == []


def test_another_code_hears_another_order_and_an_altered_page_tells_on_itself(run, tmp_path):
    folder, page, _, trials = run
    page.write_text(page.read_text().replace("state.heard.every(Boolean)", "true"))
    with browser(tmp_path / "profile") as tab:
        orders = []
        for code in ("anna", "bert"):
            tab.open(page)
            tab.type(code)
            tab.press("Enter")
            tab.until("!document.getElementById('trial').hidden")
            orders.append(tab.value("state.order.map((trial) => trial.sounds.join())"))
        assert orders[0] != orders[1]
        sides = [{sound for trial in order for sound in trial.split(",")[:1]} for order in orders]
        assert sides[0] != sides[1]
        tab.value("state.order.forEach((trial) => { state.choices[trial.name] = 'none'; }); finish()")
        written = json.loads(tab.value("document.getElementById('answers').value"))
    assert written["listener"] == "bert" and set(written["choices"]) == {t.name for t in trials}
    pages = sealed_panel(folder).pages
    assert written["page"] not in pages


def test_ratings_are_given_by_keyboard_and_locked_until_all_were_heard_and_rated(tmp_path):
    folder, trials = run_with_panel(tmp_path, pairs=2, method=Method.RATING)
    page = folder / PANEL_FOLDER / "listen.html"
    page.write_text(panel_of(pairs=2, method=Method.RATING)[2][0].html)
    sources = {name: s for t in trials for name, s in zip(t.sounds, t.sources, strict=True)}
    wanted = {COPY: 100, ARM: 60, VERSUS: 40, FROZEN: 10, WALK: 0}
    with browser(tmp_path / "profile") as tab:
        tab.open(page)
        tab.type("anna")
        tab.press("Enter")
        tab.until("!document.getElementById('trial').hidden")
        for done in range(2):
            assert tab.value("document.getElementById('rate-0').disabled")
            for side, key in enumerate("abcde"):
                tab.press(key)
                tab.until(f"state.heard[{side}]")
            for side, sound in enumerate(tab.value("state.order[state.at].sounds")):
                assert tab.value("document.getElementById('rated').disabled")
                slider = f"document.getElementById('rate-{side}')"
                tab.value(f"{slider}.value = {wanted[sources[sound]]}")
                tab.value(f"{slider}.dispatchEvent(new Event('input'))")
            tab.value("document.getElementById('rated').click()")
            tab.until(f"Object.keys(state.choices).length === {done + 1}")
        written = tab.value("document.getElementById('answers').value")
        assert tab.errors == []
    file = tmp_path / "anna.json"
    file.write_text(written)
    panel, by_name, pages, _ = sealed_panel(folder)
    _, answers = read_answers(file, panel, pages, by_name)
    assert all(answers.ratings(trial) == wanted for trial in trials)
