"""Descript's audio codec through `transformers`: 16 kHz, 50 Hz, 1024 dimensions before the quantiser.

It is made of convolutions that see both past and future. The models at 24 kHz (75 Hz) and at 44.1 kHz (86 Hz)
are loaded in its place where --weights names theirs.

R. Kumar et al., "High-fidelity audio compression with improved RVQGAN", 2023.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.latents.codecs.pretrained import FILES, Pretrained
from trainables.latents.codecs.weights import Published

if TYPE_CHECKING:
    from torch import Tensor


class Dac(Pretrained):
    """``dac``: the encoder's output before its quantiser; raises as ``Pretrained``.

    Decoding goes through the whole quantiser. Each codebook looks at 8 dimensions of its own, and the model's
    training does not bring the encoder's output near the sum of the codebooks' entries, which is all that the
    decoder has ever seen.

    With ``codebooks``, ``dac-qN``: that sum over the first N codebooks (1..12 at 16 kHz), decoded as it is.
    """

    name = "dac"
    ratios = "downsampling_ratios"
    model = "DacModel"
    published = Published(
        "DAC",
        "descript/dac_16khz",
        FILES,
        frozenset({"quantizer.quantizers.0.codebook.weight", "encoder.snake1.alpha"}),
    )

    @property
    def available(self) -> int:
        """Number of codebooks of the quantiser: 12 at 16 kHz, 32 at 24 kHz, 9 at 44.1 kHz."""
        return self._config.n_codebooks

    def _encode(self, samples_11S: Tensor) -> Tensor:
        latents = self._model.encoder(samples_11S)
        return latents if self._codebooks is None else self._model.quantizer(latents, self._codebooks)[0]

    def _decode(self, latents_1DT: Tensor) -> Tensor:
        quantised = latents_1DT if self._codebooks else self._model.quantizer(latents_1DT)[0]
        return self._model.decoder(quantised)  # a few samples short at the end: its strides are odd
