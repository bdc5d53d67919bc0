"""Folders of audio for tests: a tone of its own in every file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

RATE = 16000


def tone(number: int, seconds: float = 0.25) -> np.ndarray:
    """A tone in noise that no other number has."""
    steps = np.arange(int(seconds * RATE)) / RATE
    noise = np.random.default_rng(number).normal(scale=0.01, size=len(steps))
    return 0.2 * np.sin(2 * np.pi * (150 + 3 * number) * steps) + noise


def write_tones(root: Path, *names: str, first: int = 0) -> Path:
    """A file for each name, of which no two sound alike."""
    for number, name in enumerate(names, start=first):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / name, tone(number), RATE)
    return root
