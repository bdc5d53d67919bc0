"""Ray's sockets have names that fit, wherever temporary files are asked to lie."""

import os

import pytest

from orchestrator.runtime.socket_folder import short_socket_folder


@pytest.fixture
def asked(monkeypatch):
    def ask(name, folder):
        for variable in ("RAY_TMPDIR", "TMPDIR"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv(name, folder)

    return ask


@pytest.mark.parametrize("name", ["TMPDIR", "RAY_TMPDIR"])
def test_a_long_folder_gives_way_to_a_short_one_and_that_is_said(asked, name, tmp_path, capsys):
    long = tmp_path / ("x" * 60)
    long.mkdir()
    asked(name, str(long))
    with short_socket_folder():
        assert len(os.environ["RAY_TMPDIR"]) < 12
    assert os.environ.get("RAY_TMPDIR") == (str(long) if name == "RAY_TMPDIR" else None)
    assert f"{name} is {long}, too long" in capsys.readouterr().err


def test_a_short_folder_stays(asked, capsys):
    asked("TMPDIR", "/var/tmp")
    with short_socket_folder():
        assert "RAY_TMPDIR" not in os.environ
    assert capsys.readouterr().err == ""
