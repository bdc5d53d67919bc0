"""Files to begin with, and the page that shows them."""

import re
import sys
from pathlib import Path

import pytest

from orchestrator.new import __main__ as new
from orchestrator.new.starting_file import Beginning, starting_text, write_starting_file
from trainables.errors import InputError

ROOT = Path(__file__).parents[3]


def test_the_command_writes_a_file_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["new", "head", "my_head", "--out", str(tmp_path / "mine")])
    for code in (0, 2):
        with pytest.raises(SystemExit) as ended:
            new.main()
        assert ended.value.code == code
    printed = capsys.readouterr()
    assert "python -m orchestrator.check my_head:MyHead" in printed.out and "exists already" in printed.err
    assert (tmp_path / "mine" / "my_head.py").read_text() == starting_text(Beginning.HEAD, "my_head")


@pytest.mark.parametrize(
    ("what", "name", "sentence"),
    [
        (Beginning.HEAD, "my-head", "NAME is 'my-head'; it must be made of letters, digits and _"),
        (Beginning.CODEC, "class", "NAME is 'class'; it must be made of"),
        (Beginning.CODEC, "json", "'json', which is the name of an installed module"),
        (Beginning.STUDY, "heads", "'heads', which is a study of this project"),
    ],
)
def test_a_name_that_cannot_be_is_refused(what, name, sentence, tmp_path):
    with pytest.raises(InputError, match=sentence):
        write_starting_file(what, name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_page_shows_the_files_as_they_are_written():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "own_parts.md").read_text(), re.DOTALL)
    assert len(blocks) >= 2
    assert starting_text(Beginning.HEAD, "laplace_head") in blocks
    assert starting_text(Beginning.CODEC, "mulaw_frames") in blocks
