"""A folder of noise as speech: one folder per speaker, and a file among them that is no audio."""

from pathlib import Path

import numpy as np
import soundfile


def write_noise(root: Path, speakers: int, each: int, samples: int, rate: int) -> Path:
    """``each`` recordings of so many samples for every speaker."""
    rng = np.random.default_rng(0)
    for speaker in range(speakers):
        (root / f"s{speaker}").mkdir()
        for number in range(each):
            soundfile.write(root / f"s{speaker}/{number}.wav", rng.normal(scale=0.1, size=samples), rate)
    (root / "s3/broken.wav").write_text("no audio")
    return root
