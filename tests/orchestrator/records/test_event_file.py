"""Every line of a growing file is read once, and what was read is never taken for what is there now."""

import os
import pickle

import pytest

from orchestrator.records import event_file
from orchestrator.records.event_file import EventFile
from orchestrator.records.journal import Journal
from trainables.errors import InputError


@pytest.fixture
def parsed(monkeypatch):
    """The lines that were parsed, one after the other."""
    lines = []
    loads = event_file.json.loads
    monkeypatch.setattr(event_file.json, "loads", lambda line: (lines.append(line), loads(line))[1])
    return lines


def test_a_line_is_parsed_once_in_a_process_whoever_asks(tmp_path, parsed):
    journal = Journal(tmp_path)
    for index in range(5):
        journal.append("finished", key=f"k{index}")
    assert len(journal.events()) == len(Journal(tmp_path).events("finished")) == 5
    journal.append("finished", key="k5")
    other = Journal(tmp_path)
    assert [event["key"] for event in other.events()] == [f"k{index}" for index in range(6)]
    assert len(parsed) == 6


def test_what_was_read_is_let_go_with_its_last_reader(tmp_path, parsed):
    Journal(tmp_path).append("finished", key="k")
    for _ in range(2):
        assert len(Journal(tmp_path).events()) == 1
    assert len(parsed) == 2


def test_a_list_of_events_is_the_callers_own(tmp_path):
    journal = Journal(tmp_path)
    journal.append("finished", key="k")
    journal.events().clear()
    assert len(journal.events()) == 1


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        (lambda path: path.write_text('{"event": "e", "key": 9}\n'), [9]),
        (lambda path: path.write_text(path.read_text().replace("2", "7")), [1, 7, 3]),
        (lambda path: path.write_text(path.read_text().replace("3", "34")), [1, 2, 34]),
        (lambda path: os.truncate(path, path.stat().st_size - 1), [1, 2, 3]),
        (lambda path: os.truncate(path, path.stat().st_size - 2), [1, 2]),
        (lambda path: path.unlink(), []),
    ],
    ids=["shorter", "edited", "longer and edited", "without its end", "torn", "gone"],
)
def test_a_file_that_is_no_longer_what_was_read_is_read_again(tmp_path, change, keys):
    path = tmp_path / "events.jsonl"
    path.write_text("".join(f'{{"event": "e", "key": {key}}}\n' for key in (1, 2, 3)))
    file = EventFile(path, {})
    assert len(file.events()) == 3
    change(path)
    assert [event["key"] for event in file.events()] == keys


def test_a_last_line_without_its_end_is_looked_at_again(tmp_path):
    path = tmp_path / "events.jsonl"
    file = EventFile(path, {})
    path.write_text('{"event": "e", "key": 1}\n{"event": "e", "ke')
    assert len(file.events()) == 1
    with path.open("a") as log:
        log.write('y": 2}')
    assert len(file.events()) == 2
    with path.open("a") as log:
        log.write('\n{"event": "e", "key": 3}\n')
    assert [event["key"] for event in file.events()] == [1, 2, 3]


def test_a_line_that_is_no_event_is_refused_by_its_number_every_time(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"event": "e"}\nnot JSON\n')
    file = EventFile(path, {"finished": {"key"}})
    assert len(file.events()) == 1
    with path.open("a") as log:
        log.write('{"event": "e"}\n{"event": "finished"}\n')
    for _ in range(2):
        with pytest.raises(InputError, match="^line 4 of "):
            file.events()


def test_a_journal_can_be_pickled_after_it_was_read(tmp_path):
    journal = Journal(tmp_path)
    journal.append("finished", key="k")
    journal.events()
    assert pickle.loads(pickle.dumps(journal)).events() == journal.events()
