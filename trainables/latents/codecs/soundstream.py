"""SoundStream as it comes with Lyra V2, through LiteRT: 16 kHz, 50 Hz, 64 dimensions.

The latents are the encoder's continuous output before its quantiser. They lie on an int8 lattice, because the
encoder's last layer is quantised: z = 0.2635 (q - 20). Quantised latents are sums of codebook entries, which
lie on no lattice.

N. Zeghidour et al., "SoundStream: an end-to-end neural audio codec", 2021.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainables.errors import InputError
from trainables.latents.codecs.base import hash_of, require_codebooks, sound_latents, whole_frames

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

_HOP, _DIM = 320, 64
SOUNDSTREAM_CODEBOOKS = 46  # of 16 entries each
_ENCODER, _DECODER, _QUANTISER = "soundstream_encoder.tflite", "lyragan.tflite", "quantizer.tflite"
_WHERE = "(lyra/model_coeffs in github.com/google/lyra)"


class SoundStream:
    """``soundstream``: graphs of an encoder and a decoder, causal, with no lag between audio and latents.

    With ``codebooks``, ``soundstream-qN``: the latents quantised with the first N of 46 codebooks, 4 N bits a
    frame.

    Raises:
        InputError: no weights, files that are no such graphs, or a number of codebooks outside 1..46.
    """

    name = "soundstream"
    sample_rate = 16000
    frame_rate = 50.0
    dim = _DIM
    lattice_step: float | None = 0.26349151134490967
    note = ""
    uses_gpu = False

    def __init__(self, weights: str | None, codebooks: int | None = None) -> None:
        names = [_ENCODER, _DECODER]
        if codebooks is not None:
            self.name, self.lattice_step = f"{self.name}-q{codebooks}", None
            names.append(_QUANTISER)
        require_codebooks(self.name, codebooks, SOUNDSTREAM_CODEBOOKS)
        expected = f"a folder with Lyra V2's {' and '.join(names)} {_WHERE}"
        if weights is None:
            raise InputError(f"representation {self.name} needs --weights PATH, {expected}")
        folder = Path(weights).expanduser().resolve()
        self.weights = str(folder)
        files = [folder / name for name in names]
        for file in files:
            if not file.is_file():
                raise InputError(f"weights {weights}: {file} is missing; --weights must be {expected}")
        self.hash = hash_of(self.name, files)
        self._codebooks, (self._encoder, self._decoder, *self._quantiser) = codebooks, files
        self._check(self._encoder, (1, _HOP), (1, 1, _DIM))
        self._check(self._decoder, (1, 1, _DIM), (1, _HOP))
        for file in self._quantiser:
            if set(_opened(file).get_signature_list()) != {"encode", "decode"}:
                raise InputError(f"weights file {file} is no quantiser; --weights must be {expected}")

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Latents [frames, 64] of audio [samples] at 16 kHz; raises as ``Codec.encode``."""
        latents = _run(self._encoder, whole_frames(audio, _HOP).reshape(-1, 1, _HOP), _DIM)
        return latents if self._codebooks is None else self._quantised(latents, self._codebooks)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Audio [frames * 320] at 16 kHz of latents [frames, 64]; raises as ``Codec.decode``."""
        frames = sound_latents(latents, _DIM).reshape(-1, 1, 1, _DIM)
        return _run(self._decoder, frames, _HOP).reshape(-1)

    def _quantised(self, latents: np.ndarray, codebooks: int) -> np.ndarray:
        """Latents [frames, 64] after the graphs of the quantiser, in which index -1 is an unused codebook."""
        graph = _fresh(*self._quantiser)
        to_indices, to_latents = (graph.get_signature_runner(name) for name in ("encode", "decode"))
        count = np.int32(codebooks)
        quantised = np.empty_like(latents)
        for frame, output in zip(latents, quantised, strict=True):
            indices = to_indices(input_frames=frame.reshape(1, 1, _DIM), num_quantizers=count)["output_0"]
            output[:] = to_latents(encoding_indices=indices)["output_0"].reshape(-1)
        return quantised

    def _check(self, file: Path, takes: tuple[int, ...], gives: tuple[int, ...]) -> None:
        graph = _opened(file)
        ends = (graph.get_input_details(), graph.get_output_details())
        shapes = [tuple(details[0]["shape"].tolist()) for details in ends]
        if shapes != [takes, gives]:
            raise InputError(f"weights file {file} maps {shapes[0]} to {shapes[1]}, not {takes} to {gives}")


def _run(file: Path, frames: np.ndarray, width: int) -> np.ndarray:
    """The graph's output for every frame, in order: [frames, width]."""
    graph = _fresh(file)
    source, target = graph.get_input_details()[0]["index"], graph.get_output_details()[0]["index"]
    outputs = np.empty((len(frames), width), np.float32)
    for frame, output in zip(frames, outputs, strict=True):
        graph.set_tensor(source, frame)
        graph.invoke()
        output[:] = graph.get_tensor(target).reshape(-1)
    return outputs


def _opened(file: Path) -> Interpreter:
    try:
        return _fresh(file)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"weights file {file} is no readable TFLite graph ({error})") from error


def _fresh(file: Path) -> Interpreter:
    """A new interpreter for every recording, because the last one's state survives reset_all_variables()."""
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
