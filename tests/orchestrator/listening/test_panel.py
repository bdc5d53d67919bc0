"""What is sealed of a listening test, and that nobody can tell from a page whose sound is whose."""

import base64
import hashlib
import json
import re
from collections import Counter

import pytest

from orchestrator.listening.panel import (
    COPY,
    KEY_FILE,
    PANEL_FILE,
    WALK,
    Kind,
    panel_trials,
    read_panel,
    write_panel,
)
from tests.orchestrator.listening.listeners import ARM, VERSUS, panel_of
from trainables.errors import InputError


def test_every_utterance_is_heard_once_and_catch_panel_trials_each_kind_twice():
    trials = panel_trials([f"u{i}" for i in range(25)], ARM, VERSUS, "secret")
    kinds = Counter(trial.kind for trial in trials)
    assert kinds == {Kind.PREFERENCE: 25, Kind.REPEAT: 2, Kind.IDENTICAL: 2, Kind.RANDOM: 2}
    assert {t.utterance_id for t in trials if t.kind is Kind.PREFERENCE} == {f"u{i}" for i in range(25)}
    names = [name for t in trials for name in (t.name, *t.sounds)]
    assert len(set(names)) == len(names) and all(re.fullmatch("[0-9a-f]{12}", name) for name in names)
    assert {frozenset(t.sources) for t in trials if t.kind is Kind.RANDOM} == {frozenset((COPY, WALK))}
    first = [t.sources[0] for t in trials if t.kind is Kind.PREFERENCE]
    assert 5 < first.count(ARM) < 20, "an arm does not stand first always"


def test_opaque_names_need_the_secret():
    one, same, other = (panel_trials(["a", "b"], ARM, VERSUS, secret) for secret in ("x", "x", "y"))
    assert one == same and not {t.name for t in one} & {t.name for t in other}


def test_a_page_names_no_arm_and_its_sounds_are_equally_long():
    panel, trials, (page,) = panel_of()
    scripts = dict(re.findall(r'<script[^>]* id="(\w+)">(.*?)</script>', page.html, re.DOTALL))
    sounds = json.loads(scripts["sounds"])
    without_sound = page.html.replace(scripts["sounds"], "")
    for name in (ARM, VERSUS, "von Mises", "mixture", COPY, WALK):
        assert not re.search(rf"\b{name}\b", without_sound, re.IGNORECASE), name
    assert not [kind for kind in (Kind.REPEAT, Kind.IDENTICAL, Kind.RANDOM) if kind in scripts["panel"]]
    assert len({len(wav) for wav in sounds.values()}) == 1
    assert set(sounds) == {name for t in trials for name in t.sounds}
    for name, wav in sounds.items():
        assert hashlib.sha256(base64.b64decode(wav)).hexdigest() == panel.clips[name]
    told = "\n".join(scripts[part] for part in ("panel", "sounds", "code"))
    assert page.digest == hashlib.sha256(told.encode()).hexdigest()
    assert not re.search(r"(src|href)=[\"'](?!data:)", page.html) and "http" not in without_sound


def test_identical_sounds_have_names_of_their_own():
    panel, trials, _ = panel_of()
    for trial in trials:
        same = panel.clips[trial.sounds[0]] == panel.clips[trial.sounds[1]]
        assert same == (trial.kind is Kind.IDENTICAL) and trial.sounds[0] != trial.sounds[1]


def test_what_does_not_fit_on_a_page_goes_to_the_next():
    _, trials, whole = panel_of()
    most = 100_000 + len(trials) * 2500
    _, _, parts = panel_of(most_bytes=most)
    assert len(whole) == 1 < len(parts) and len({page.digest for page in parts}) == len(parts)
    assert [name for page in parts for name in page.trials] == [t.name for t in trials]
    assert max(len(page.html) for page in parts) < most


@pytest.mark.parametrize("file", [PANEL_FILE, KEY_FILE])
def test_a_panel_or_key_that_was_altered_is_refused(tmp_path, file):
    panel, trials, _ = panel_of()
    write_panel(tmp_path, panel, trials)
    again, by_name = read_panel(tmp_path, panel.hash)
    assert again.hash == panel.hash and by_name == {t.name: t for t in trials}
    text = (tmp_path / file).read_text()
    swapped = text.replace(f'"{ARM}"', '"?"').replace(f'"{VERSUS}"', f'"{ARM}"').replace('"?"', f'"{VERSUS}"')
    assert swapped != text
    (tmp_path / file).write_text(swapped)
    with pytest.raises(InputError, match="not the (panel|key) that was sealed"):
        read_panel(tmp_path, panel.hash)
    (tmp_path / file).unlink()
    with pytest.raises(InputError, match="is missing"):
        read_panel(tmp_path, panel.hash)
