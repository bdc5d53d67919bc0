"""What codecs of the `transformers` library share: a folder with config.json and model.safetensors."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from typing import Any

from trainables.errors import InputError
from trainables.latents.codecs.base import hash_of, require_codebooks
from trainables.latents.codecs.neural import Neural
from trainables.latents.codecs.weights import Published

FILES = ("config.json", "model.safetensors")


class Pretrained(Neural):
    """A codec whose config.json says the sample rate of its audio and the frame rate of its latents.

    Attributes:
        published: the files of the weights, and where they are published.
        ratios: the setting of config.json whose product is the hop.
        model: the class in transformers; the class of its configuration ends in Config in place of Model.

    Raises:
        InputError: no weights, weights of another model, or a number of codebooks that it does not have.
    """

    name: str
    published: Published
    ratios: str
    model: str

    def __init__(self, weights: str | None, codebooks: int | None = None) -> None:
        if codebooks is not None:
            self.name = f"{self.name}-q{codebooks}"
        files, self.weights = self.published.find(weights)
        self._config_file, self._file = files
        self.note = self.published.note(self._file)
        self.hash = hash_of(self.name, files)
        self._config = self._read_config()
        self.sample_rate = self._config.sampling_rate
        # Not hop_length in the config: in descript/dac_16khz it is that of another model.
        self.hop = math.prod(getattr(self._config, self.ratios))
        self.frame_rate = self.sample_rate / self.hop
        self.dim = self._config.hidden_size
        self._codebooks = codebooks
        require_codebooks(self.name, codebooks, self.available)

    @property
    @abstractmethod
    def available(self) -> int:
        """Number of codebooks of the quantiser."""

    def _read_config(self) -> Any:
        import transformers

        try:
            settings = json.loads(self._config_file.read_text())
            if settings.get("model_type") != self.name.split("-")[0]:
                raise self.published.foreign(self._file)
            return getattr(transformers, self.model.replace("Model", "Config"))(**settings)
        except InputError:
            raise
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise InputError(
                f"weights {self.weights}: {self._config_file} is no configuration ({error}); "
                f"{self.published.how_to_get}"
            ) from error

    def _load(self, device: str) -> Any:
        import transformers

        try:
            # A folder needs nothing from the hub; local_files_only makes sure that nothing is asked for.
            model, report = getattr(transformers, self.model).from_pretrained(
                self._file.parent, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
        except RuntimeError as error:  # tensors of other shapes than the configuration says
            raise self.published.foreign(self._file) from error
        if report["missing_keys"]:  # which the library would fill with random numbers
            raise self.published.foreign(self._file)
        return model.to(device).eval()
