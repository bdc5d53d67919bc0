"""Mimi through the `moshi` package: 24 kHz audio, 12.5 Hz, 512 continuous dimensions before the quantiser.

The encoder ends in a causal transformer with 10 s of context, so a frame depends on the frames before it
(Defossez et al., Moshi: a speech-text foundation model for real-time dialogue, 2024).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainables.errors import InputError
from trainables.latents.codecs.base import hash_of, whole_frames

if TYPE_CHECKING:
    import torch
    from moshi.models import MimiModel

HUB_ID = "kyutai/moshiko-pytorch-bf16"  # moshi.models.loaders.DEFAULT_REPO
HUB_FILE = "tokenizer-e351c8d8-checkpoint125.safetensors"  # moshi.models.loaders.MIMI_NAME
_HOP, _DIM = 1920, 512
_WHOLE, _CHUNK = 750 * _HOP, 125 * _HOP  # 60 s, 10 s
_LANDMARKS = {"encoder.model.0.conv.conv.weight", "upsample.convtr.convtr.convtr.weight"}  # of its parameters
_HOW_TO_GET = (
    f"it needs the file {HUB_FILE} of {HUB_ID}: on a machine with network run "
    f"`huggingface-cli download {HUB_ID} {HUB_FILE}` and give the path it prints as --weights PATH"
)


class Mimi:
    """Mimi's encoder up to its quantiser, and its decoder from there on."""

    name = "mimi-12.5"
    sample_rate = 24000
    frame_rate = 12.5
    dim = _DIM
    lattice_step = None
    uses_gpu = True

    def __init__(self, weights: str | None) -> None:
        self._file, self.weights = _find(weights)
        self.note = _checked_note(self._file)
        self.hash = hash_of(self.name, (self._file,))

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Audio [samples] at 24 kHz to latents [frames, 512].

        Recordings over a minute go through in steps of 10 s, since the memory of attention grows with the
        square of their length; that shifts the far edge of its context (1 % of the latents' spread at most).
        """
        samples = self._tensor(whole_frames(audio, _HOP))[None, None]
        with self._inference():
            if samples.shape[-1] <= _WHOLE:
                return _to_frames(self._model.encode_to_latent(samples, quantize=False))
            with self._model.streaming(1):
                steps = samples.split(_CHUNK, -1)
                return np.concatenate(
                    [_to_frames(self._model.encode_to_latent(step, quantize=False)) for step in steps]
                )

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Continuous latents [frames, 512], never quantised, to audio [frames * 1920] at 24 kHz."""
        model = self._model
        with self._inference():
            hidden = model._to_encoder_framerate(self._tensor(latents).T[None])
            (hidden,) = model.decoder_transformer(hidden)
            audio = model.decoder(hidden)[0, 0]
        return audio[: len(latents) * _HOP].cpu().numpy()

    @cached_property
    def _model(self) -> MimiModel:
        import torch
        from moshi.models.loaders import get_mimi

        return get_mimi(self._file, device="cuda" if torch.cuda.is_available() else "cpu")

    def _inference(self) -> torch.inference_mode:
        import torch

        return torch.inference_mode()

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        import torch

        return torch.from_numpy(np.asarray(values, np.float32)).to(next(self._model.parameters()).device)


def _to_frames(latents_1DT: torch.Tensor) -> np.ndarray:
    return latents_1DT[0].T.cpu().numpy()


def _find(weights: str | None) -> tuple[Path, str]:
    """The weights file, and the path or hub id that finds it again."""
    if weights is None:
        return _from_hub(HUB_ID), HUB_ID
    path = Path(weights).expanduser()
    if path.is_dir():
        path = path / HUB_FILE
    if path.is_file():
        path = path.absolute()  # not resolve(): in the hub's cache the name with the suffix is a link
        return path, str(path)
    if weights.count("/") == 1 and not path.suffix and not path.parent.exists():
        return _from_hub(weights), weights
    raise InputError(f"weights {weights} of mimi-12.5: there is no file {path}; {_HOW_TO_GET}")


def _from_hub(repository: str) -> Path:
    """The file from the local cache, else from the hub, asked first without the client's 25 s of retries."""
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        try:
            return Path(huggingface_hub.hf_hub_download(repository, HUB_FILE, local_files_only=True))
        except LocalEntryNotFoundError:
            huggingface_hub.model_info(repository, timeout=10)
            return Path(huggingface_hub.hf_hub_download(repository, HUB_FILE))
    except (OSError, ValueError) as error:
        reason = f"{repository} is out of reach: {type(error).__name__}"
        raise InputError(f"{Mimi.name} has no weights ({reason}); {_HOW_TO_GET}") from error


def _checked_note(file: Path) -> str:
    """The note in the file's own metadata, after a look at its header alone.

    Raises:
        InputError: the file is no safetensors file, or holds another model.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "numpy") as weights:
            if not _LANDMARKS <= set(weights.keys()):
                raise InputError(f"weights file {file} holds another model than Mimi; {_HOW_TO_GET}")
            return (weights.metadata() or {}).get("note", "")
    except (SafetensorError, OSError) as error:
        raise InputError(f"weights file {file} is no safetensors file ({error}); {_HOW_TO_GET}") from error
