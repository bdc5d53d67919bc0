"""Machines that do not come are said once, after a minute, with what Ray says of them."""

import pickle

import pytest

from orchestrator.execution import pack_watch
from orchestrator.execution.pack_watch import PackWatch


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only here."""
    now = [0.0]
    monkeypatch.setattr(pack_watch.time, "monotonic", lambda: now[0])
    return now


def _steps(watch, clock, seconds):
    for _ in range(10 * seconds):
        clock[0] += 0.1
        watch.on_step_begin(iteration=0, trials=[])


def test_what_waits_is_said_after_a_minute_and_once(clock):
    said = []
    watch = PackWatch(said.append, lambda: "waiting for 1 x {'GPU': 1.0}; gpu failed: no quota")
    _steps(watch, clock, 55)
    assert said == []
    _steps(watch, clock, 300)
    assert len(said) == 1 and "gpu failed: no quota" in said[0]


def test_what_comes_within_a_minute_is_not_worth_a_word(clock):
    said = []
    watch = PackWatch(said.append, lambda: "waiting" if clock[0] % 50 < 35 else "")
    _steps(watch, clock, 600)
    assert said == []


def test_tune_may_pickle_it_although_it_writes_to_a_terminal(capsys):
    watch = PackWatch(lambda text: print(text))
    assert isinstance(pickle.loads(pickle.dumps(watch)), PackWatch)
