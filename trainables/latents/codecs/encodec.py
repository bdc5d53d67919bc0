"""EnCodec at 24 kHz through `transformers`: 75 Hz, 128 continuous dimensions before the quantiser.

It is made of convolutions and two layers of LSTM, all causal except for the padding of the first samples.

A. Defossez et al., "High fidelity neural audio compression", 2022.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainables.errors import InputError
from trainables.latents.codecs.pretrained import FILES, Pretrained
from trainables.latents.codecs.weights import Published

if TYPE_CHECKING:
    from torch import Tensor


class EnCodec(Pretrained):
    """``encodec``: the encoder's output before its quantiser, and the decoder after it.

    Raises as ``Pretrained``, and for the model at 48 kHz.

    With ``codebooks``, ``encodec-qN``: the sum of the nearest entries of the first N codebooks (1..32), where
    each codebook quantises what those before it have left.
    """

    name = "encodec"
    ratios = "upsampling_ratios"
    model = "EncodecModel"
    published = Published(
        "EnCodec",
        "facebook/encodec_24khz",
        FILES,
        frozenset({"quantizer.layers.0.codebook.embed", "decoder.layers.0.conv.bias"}),
    )

    @property
    def available(self) -> int:
        """Number of codebooks of the quantiser: 32, which send 24 kbit/s together."""
        return self._config.num_quantizers

    def _read_config(self) -> Any:
        config = super()._read_config()
        if config.audio_channels != 1 or config.normalize or config.chunk_length_s is not None:
            raise InputError(
                f"weights {self.weights} are of the EnCodec that scales and cuts stereo audio, whose latents "
                f"say nothing of loudness; {self.published.how_to_get}"
            )
        return config

    def _encode(self, samples_11S: Tensor) -> Tensor:
        latents = self._model.encoder(samples_11S)
        return latents if self._codebooks is None else self._quantised(latents)

    def _quantised(self, latents_1DT: Tensor) -> Tensor:
        rest, total = latents_1DT, latents_1DT.new_zeros(())
        for layer in self._model.quantizer.layers[: self._codebooks]:
            entry = layer.decode(layer.encode(rest))
            rest, total = rest - entry, total + entry
        return total

    def _decode(self, latents_1DT: Tensor) -> Tensor:
        return self._model.decoder(latents_1DT)
