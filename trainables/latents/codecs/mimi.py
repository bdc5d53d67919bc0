"""Mimi through the `moshi` package: 24 kHz audio, 512 continuous dimensions, at 12.5, 25 or 50 Hz.

The encoder ends in a causal transformer with 10 s of context, so a frame depends on the frames before it. It
runs at 25 Hz, and a learnt convolution halves that rate before the quantiser.

A. Defossez et al., "Moshi: a speech-text foundation model for real-time dialogue", 2024.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.latents.codecs.base import hash_of, require_codebooks
from trainables.latents.codecs.neural import Neural
from trainables.latents.codecs.weights import Published

if TYPE_CHECKING:
    from moshi.models.compression import MimiModel
    from torch import Tensor

HUB_ID = "kyutai/moshiko-pytorch-bf16"  # moshi.models.loaders.DEFAULT_REPO
HUB_FILE = "tokenizer-e351c8d8-checkpoint125.safetensors"  # moshi.models.loaders.MIMI_NAME
MIMI_CODEBOOKS = 32
PUBLISHED = Published(
    "Mimi",
    HUB_ID,
    (HUB_FILE,),
    frozenset({"encoder.model.0.conv.conv.weight", "upsample.convtr.convtr.convtr.weight"}),
)
_HOP = 1920  # samples of a frame at 12.5 Hz
_LONGEST, _PIECE = 750 * _HOP, 125 * _HOP  # samples: encoded at once, 60 s; else in pieces of 10 s


class Mimi(Neural):
    """``mimi-12.5``: the output of Mimi's encoder before its quantiser, and Mimi's decoder after it.

    With ``codebooks``, ``mimi-12.5-qN``: these latents quantised with the first N of 32 codebooks. The first
    codebook was distilled from WavLM and has a projection of its own; the others share another.

    Raises:
        InputError: no weights, other weights than Mimi's, or a number of codebooks outside 1..32.
    """

    name = "mimi-12.5"
    sample_rate = 24000
    frame_rate = 12.5
    dim = 512
    hop = _HOP

    def __init__(self, weights: str | None, codebooks: int | None = None) -> None:
        if codebooks is not None:
            self.name = f"{self.name}-q{codebooks}"
        require_codebooks(self.name, codebooks, MIMI_CODEBOOKS)
        self._codebooks = codebooks
        (self._file,), self.weights = PUBLISHED.find(weights)
        self.note = PUBLISHED.note(self._file)
        self.hash = hash_of(self.name, (self._file,))

    def _encode(self, samples_11S: Tensor) -> Tensor:
        """Latents [1, D, T] of samples; a recording of more than a minute is encoded in pieces of 10 s.

        The memory of attention grows with the square of a recording's length. Pieces shift the far edge of
        its context, which changes latents by at most 1 % of their spread.
        """
        import torch

        if samples_11S.shape[-1] <= _LONGEST:
            return self._step(samples_11S)
        with self._model.streaming(1):
            return torch.cat([self._step(piece) for piece in samples_11S.split(_PIECE, -1)], -1)

    def _step(self, samples_11S: Tensor) -> Tensor:
        latents = self._model._to_framerate(self._hidden(samples_11S))
        if self._codebooks is None:
            return latents
        return self._model.decode_latent(self._model.quantizer.encode(latents))

    def _hidden(self, samples_11S: Tensor) -> Tensor:
        """The encoder's output at 25 Hz, [1, D, T].

        Its parts are called one by one: ``MimiModel.encode`` would record them on a GPU for one length of
        audio, and refuse the last piece, which is shorter.
        """
        (hidden,) = self._model.encoder_transformer(self._model.encoder(samples_11S))
        return hidden

    def _decode(self, latents_1DT: Tensor) -> Tensor:
        """Audio of latents as they are: nothing is quantised on the way."""
        (hidden,) = self._model.decoder_transformer(self._model._to_encoder_framerate(latents_1DT))
        return self._model.decoder(hidden)

    def _load(self, device: str) -> MimiModel:
        from moshi.models.loaders import get_mimi

        return get_mimi(self._file, device=device, num_codebooks=self._codebooks or MIMI_CODEBOOKS)


class Mimi25(Mimi):
    """``mimi-25``: the encoder's output at 25 Hz, before it is down-sampled.

    Decoding goes through Mimi's own down- and up-sampling. Down-sampling mixes all dimensions and up-sampling
    treats each by itself, so that their input and their output are written in different bases, and the
    decoder has only ever seen the second.
    """

    name = "mimi-25"
    frame_rate = 25.0
    hop = _HOP // 2

    def __init__(self, weights: str | None) -> None:
        super().__init__(weights)

    def _step(self, samples_11S: Tensor) -> Tensor:
        return self._hidden(samples_11S)

    def _decode(self, latents_1DT: Tensor) -> Tensor:
        return super()._decode(self._model._to_framerate(_whole(latents_1DT, 2)))


class Mimi50(Mimi):
    """``mimi-50``: four encodings at 12.5 Hz, of audio 60, 40, 20 and 0 ms late, frame by frame in turn.

    A frame depends on the audio up to its own end and on no later audio: frames 3, 7, 11 ... are those of
    ``mimi-12.5``. Only these are decoded, and give the audio that ``mimi-12.5`` gives. The mean of all four
    decodings would use every frame, but the waveforms that a generator makes of different frames need not
    agree in phase. What disagrees would cancel, high frequencies first, and the errors that one wants to hear
    would cancel with it.
    """

    name = "mimi-50"
    frame_rate = 50.0
    hop = _HOP // 4

    def __init__(self, weights: str | None) -> None:
        super().__init__(weights)

    def _encode(self, samples_11S: Tensor) -> Tensor:
        import torch
        from torch.nn.functional import pad

        frames = samples_11S.shape[-1] // self.hop
        late = [_HOP - self.hop * (shift + 1) for shift in range(4)]  # samples of silence before the audio
        padded = -(-(samples_11S.shape[-1] + max(late)) // _HOP) * _HOP
        shifted = [pad(samples_11S, (by, padded - by - samples_11S.shape[-1])) for by in late]
        streams_1DT4 = torch.stack([super(Mimi50, self)._encode(samples) for samples in shifted], -1)
        return streams_1DT4.flatten(2)[..., :frames]

    def _decode(self, latents_1DT: Tensor) -> Tensor:
        return super()._decode(_whole(latents_1DT, 4)[..., 3::4])


def _whole(latents_1DT: Tensor, count: int) -> Tensor:
    """Latents with the last frame repeated until their number is a multiple of ``count``."""
    from torch.nn.functional import pad

    return pad(latents_1DT, (0, -latents_1DT.shape[-1] % count), mode="replicate")
