"""What a cluster gets of a user's own parts: their packages, or a sentence that says why it cannot."""

import pytest

from orchestrator.runtime.own_environment import own_environment
from tests.own_files import user_folder, write
from trainables.errors import InputError
from trainables.own_parts.registry import NAMED, name_parts


@pytest.fixture
def folder(tmp_path):
    with user_folder(tmp_path) as here:
        write(here, {"mine/__init__": "", "mine/heads": "", "single": ""})
        yield here


def test_packages_and_names_travel_and_nothing_where_there_are_none(folder):
    assert own_environment() == {}
    name_parts(["mine.heads:A", "mine.heads:B", "single:c"])
    assert own_environment() == {
        "py_modules": [str(folder / "mine"), str(folder / "single.py")],
        "env_vars": {NAMED: "mine.heads:A mine.heads:B single:c"},
    }


def test_what_cannot_travel_is_refused_with_the_remedy(folder):
    name_parts(["math:pi"])
    with pytest.raises(InputError, match="make a package of 'math', or leave --address out"):
        own_environment()
