"""SoundStream as shipped with Lyra V2 (Zeghidour et al., 2021), through LiteRT: 16 kHz, 50 Hz, 64 dimensions.

The latents are the encoder's continuous output before its quantiser. They lie on an int8 lattice, because the
encoder's last layer is quantised: z = 0.2635 (q - 20).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainables.errors import InputError
from trainables.latents.codecs.base import hash_of, whole_frames

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

_HOP, _DIM = 320, 64
_ENCODER, _DECODER = "soundstream_encoder.tflite", "lyragan.tflite"
_EXPECTED = f"a folder with Lyra V2's {_ENCODER} and {_DECODER} (lyra/model_coeffs in github.com/google/lyra)"


class SoundStream:
    """Encoder and decoder graphs of one frame a call, causal, with no lag between audio and latents."""

    name = "soundstream"
    sample_rate = 16000
    frame_rate = 50.0
    dim = _DIM
    lattice_step = 0.26349151134490967
    note = ""
    uses_gpu = False

    def __init__(self, weights: str | None) -> None:
        if weights is None:
            raise InputError(f"representation {self.name} needs --weights PATH, {_EXPECTED}")
        folder = Path(weights).expanduser().resolve()
        self.weights = str(folder)
        self._encoder, self._decoder = folder / _ENCODER, folder / _DECODER
        for file in (self._encoder, self._decoder):
            if not file.is_file():
                raise InputError(f"weights {weights}: {file} is missing; --weights must be {_EXPECTED}")
        self.hash = hash_of(self.name, (self._encoder, self._decoder))
        self._check(self._encoder, (1, _HOP), (1, 1, _DIM))
        self._check(self._decoder, (1, 1, _DIM), (1, _HOP))

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Audio [samples] at 16 kHz to latents [frames, 64]."""
        frames = whole_frames(audio, _HOP).reshape(-1, 1, _HOP)
        return _run(self._encoder, frames, _DIM)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Latents [frames, 64] to audio [frames * 320] at 16 kHz."""
        frames = np.asarray(latents, np.float32).reshape(-1, 1, 1, _DIM)
        return _run(self._decoder, frames, _HOP).reshape(-1)

    def _check(self, file: Path, takes: tuple[int, ...], gives: tuple[int, ...]) -> None:
        try:
            graph = _fresh(file)
        except (ValueError, RuntimeError) as error:
            raise InputError(f"weights file {file} is no readable TFLite graph ({error})") from error
        ends = (graph.get_input_details(), graph.get_output_details())
        shapes = [tuple(details[0]["shape"].tolist()) for details in ends]
        if shapes != [takes, gives]:
            raise InputError(f"weights file {file} maps {shapes[0]} to {shapes[1]}, not {takes} to {gives}")


def _run(file: Path, frames: np.ndarray, width: int) -> np.ndarray:
    """Every frame through the graph, in order; [frames, width]."""
    graph = _fresh(file)
    source, target = graph.get_input_details()[0]["index"], graph.get_output_details()[0]["index"]
    outputs = np.empty((len(frames), width), np.float32)
    for frame, output in zip(frames, outputs, strict=True):
        graph.set_tensor(source, frame)
        graph.invoke()
        output[:] = graph.get_tensor(target).reshape(-1)
    return outputs


def _fresh(file: Path) -> Interpreter:
    """A new interpreter: the state of the last utterance survives reset_all_variables()."""
    from ai_edge_litert.interpreter import Interpreter

    with _quiet_stderr():
        graph = Interpreter(str(file), num_threads=1)
        graph.allocate_tensors()
    return graph


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """LiteRT announces its CPU delegate on the process's stderr, and no setting silences it."""
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as sink:
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
