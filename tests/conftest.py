"""Real speech and codec weights, which lie beside the repository where they are installed at all."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

# Before torch is loaded: two threads for products this small wait for each other more than they multiply.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A process started in the background may ignore Ctrl-C, one under nohup SIGHUP, and so would the commands
# that tests interrupt. A handler that does nothing is not inherited: what is started has the default.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)

_SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs Ray; files with long tests go first, so that both processes end together."""
    for item in items:
        if "address" in getattr(item, "fixturenames", ()):
            item.add_marker("ray")
    long = {item.path for item in items if any(map(item.get_closest_marker, ("slow", "timeout")))}
    items.sort(key=lambda item: item.path not in long)


def _beside(path: str, what: str) -> Path:
    folder = _SHARED / path
    if not folder.is_dir():
        pytest.skip(f"{what} is not installed at {folder}")
    return folder


@pytest.fixture(scope="session")
def librispeech() -> Path:
    """290 utterances of LibriSpeech, 16 kHz FLAC."""
    return _beside("data/librispeech-mini", "real speech")


@pytest.fixture(scope="session")
def cases() -> Path:
    """Small inputs that people have, each with a fault or a layout of its own."""
    return _beside("data/cases", "the collection of odd inputs")


@pytest.fixture(scope="session")
def lyra() -> Path:
    """The weights of Lyra V2's SoundStream."""
    return _beside("models/lyra", "the SoundStream codec")
