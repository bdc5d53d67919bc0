"""The log: what is written is given back, and nobody else's lines are touched."""

import pytest

from orchestrator.roadmap.log import Logbook
from tests.orchestrator.roadmap.recorded_verdicts import entry
from trainables.errors import InputError


def test_the_log_gives_back_what_was_written_and_passes_over_a_torn_end(tmp_path):
    book = Logbook(tmp_path)
    assert book.entries() == []
    first, second = entry(verdict=""), entry(reason="“as is”", cost={"spent": {"device_hours": 0.5}})
    book.append(first)
    with book.path.open("ab") as log:
        log.write(b'{"event": "ended", "study": "vm')
    assert book.entries() == [first]
    book.append(second)
    assert book.entries() == [first, second]
    book.path.write_bytes(book.path.read_bytes().rstrip(b"\n"))  # an editor took the last line's end
    book.append(first)
    assert book.entries() == [first, second, first]


@pytest.mark.parametrize(
    "line", ["notes of mine", '{"event": "ended", "colour": 1}\n', '["started"]\n', "{}\n"]
)
def test_a_foreign_line_is_refused_in_one_sentence_and_nothing_is_lost(tmp_path, line):
    book = Logbook(tmp_path)
    book.append(entry())
    with book.path.open("a") as log:
        log.write(line)
    before = book.path.read_bytes()
    with pytest.raises(InputError, match=r"line 2 of .*roadmap\.jsonl is no entry") as error:
        book.entries()
    assert "\n" not in str(error.value) and book.path.read_bytes() == before


def test_smoke_runs_are_kept_apart(tmp_path):
    Logbook(tmp_path, smoke=True).append(entry(smoke=True))
    assert Logbook(tmp_path).entries() == []
    assert len(Logbook(tmp_path, smoke=True).entries()) == 1


def test_two_roadmaps_do_not_share_a_folder(tmp_path):
    with Logbook(tmp_path).held(), pytest.raises(InputError, match="another roadmap is at work"):
        with Logbook(tmp_path).held():
            pass
