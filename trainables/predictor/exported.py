"""A trained predictor in a folder of its own, opened and run without whatever searched, trained or judged it.

The folder holds ``predictor.json`` (settings, normaliser, codec, and where the predictor comes from) and
``weights.safetensors`` (numbers by name; nothing in it is ever executed).

Shapes: T frames from the beginning of an utterance, C of them that are read, K frames of continuation, D
latent dimensions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from
from safetensors.torch import save as bytes_of
from torch import Tensor

from trainables.errors import InputError
from trainables.latents.batching.shard import Shard
from trainables.latents.storage.parquet_file import Split, Utterance, utterance_table
from trainables.predictor.config import FEEDBACKS, Structure
from trainables.predictor.evaluation.continuation import continue_from

SETTINGS_FILE, WEIGHTS_FILE = "predictor.json", "weights.safetensors"
_FORMAT = 1
_DAMAGED = "export the predictor again"


@dataclass(frozen=True, kw_only=True)
class LatentUnits:
    """The latents that a predictor knows, and what they are divided by before it sees them.

    Attributes:
        representation: name of the representation.
        dim: latent dimensions, D.
        frame_rate: Hz.
        rms: by which frames are divided, in the codec's units.
        lattice_step: of the codec's lattice, by which frames are dithered; None where they lie on none.
        codec: name of the codec that encodes and decodes them; None where nothing does.
        codec_hash: of the codec's weights and settings.
        codec_weights: where the codec's weights were; None where it has none.
    """

    representation: str
    dim: int
    frame_rate: float
    rms: float
    lattice_step: float | None = None
    codec: str | None = None
    codec_hash: str = ""
    codec_weights: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class ExportedPredictor:
    """A predictor, ready to continue latents.

    Attributes:
        arm: that it won, by name.
        structure: its settings.
        weights: its numbers by name, the whitening of its training frames among them.
        units: of the latents that it continues.
        origin: where it comes from: study, seed, verdict and whatever else was noted.
    """

    arm: str
    structure: Structure
    weights: Mapping[str, Tensor]
    units: LatentUnits
    origin: Mapping[str, Any] = field(default_factory=dict)

    def continue_latents(
        self,
        context_TD: np.ndarray,
        frames: int,
        *,
        name: str = "context",
        seed: int = 0,
        reads: int | None = None,
        feedback: str | None = None,
        temperature: float | None = None,
    ) -> np.ndarray:
        """The latents [K, D], float32, K = ``frames``, that follow on a context; both in the codec's units.

        On one machine the same arguments give the same bits, however many cores there are.

        Args:
            context_TD: the utterance from its beginning up to where it is continued.
            frames: how many frames follow.
            name: of the utterance; dither and the noise of sampled feedback depend on it.
            seed: tells apart the noise of several continuations.
            reads: how many of the last frames are read, C; all of them by default.
            feedback: what is fed back, "mean", "mode" or "sample"; by default what the predictor was judged
                with.
            temperature: of sampled feedback; by default what the predictor was judged with.

        Raises:
            InputError: the context is shorter than the predictor's own, no latents of this kind, or the
                feedback or the temperature is not possible.
        """
        structure = self.fed_back(feedback, temperature)
        if frames < 1:
            raise InputError(f"{frames} frames are to follow; ask for at least 1")
        read = len(context_TD) if reads is None else min(reads, len(context_TD))
        if read < structure.context:
            raise InputError(
                f"the context has {read} frames, and the {self.arm} arm needs {structure.context} "
                f"({structure.context / self.units.frame_rate:.2f} s); give it a longer one"
            )
        with _one_thread():
            context_CD = self.normalised(context_TD, name)[len(context_TD) - read :]
            context_BCD = context_CD[None].to(getattr(torch, structure.dtype))
            latents_BKD = continue_from(structure, self.weights, context_BCD, frames, [f"{name}/{seed}"])
        return latents_BKD[0].numpy() * self.units.rms

    def fed_back(self, feedback: str | None, temperature: float | None) -> Structure:
        """The predictor's settings with another feedback or temperature, where these are given.

        Raises:
            InputError: the feedback is unknown, or the temperature has no effect or cannot be had.
        """
        if feedback is not None and feedback not in FEEDBACKS:
            raise InputError(f"feedback is {feedback!r}; it must be one of {', '.join(FEEDBACKS)}")
        structure = self.structure
        if feedback is not None:
            # How runs branched in training is of no concern here.
            structure = replace(structure, feedback=feedback, rollout_branches="drawn")
        if temperature is None:
            return structure
        if structure.feedback != "sample":
            raise InputError(
                f"temperature is {temperature:g} and feedback {structure.feedback!r}, which draws nothing; "
                "set feedback to 'sample', or leave the temperature out"
            )
        return replace(structure, temperature=temperature)

    def normalised(self, latents_TD: np.ndarray, name: str) -> Tensor:
        """An utterance's latents as predictors see them, float32 [T, D]: as they are stored, dithered, and
        divided by the normaliser.

        Raises:
            InputError: they have another width, or a value is not finite or too large to store.
        """
        unknown = np.full(len(latents_TD), np.nan, np.float32)
        row = Utterance(name, name, Split.TEST, np.asarray(latents_TD), unknown, unknown, unknown)
        try:
            table = utterance_table([row], self.units.dim, self.units.frame_rate)
        except ValueError as problem:
            raise InputError(f"these latents are none of {self.units.representation}: {problem}") from None
        shard = Shard.from_tables([table], rms=self.units.rms, lattice_step=self.units.lattice_step)
        return shard.frames_SND[0]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Within the block torch computes on one core: sums come out alike whatever the machine is busy with."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def predictor_files(predictor: ExportedPredictor) -> dict[str, bytes]:
    """The files of an exported predictor, by name."""
    # Tensors that share memory, and views of larger ones, are refused by the format.
    weights = bytes_of({name: tensor.detach().clone() for name, tensor in predictor.weights.items()})
    settings = {
        "format": _FORMAT,
        "arm": predictor.arm,
        "settings": asdict(predictor.structure),
        "latents": asdict(predictor.units),
        "weights_sha256": sha256(weights).hexdigest(),
        "origin": dict(predictor.origin),
    }
    return {WEIGHTS_FILE: weights, SETTINGS_FILE: json.dumps(settings, indent=1).encode() + b"\n"}


def load_predictor(folder: Path | str) -> ExportedPredictor:
    """The predictor in an exported folder.

    Raises:
        InputError: the folder is none, was written in another format, or has been damaged.
    """
    settings_file, weights_file = Path(folder) / SETTINGS_FILE, Path(folder) / WEIGHTS_FILE
    try:
        settings, raw = json.loads(settings_file.read_text()), weights_file.read_bytes()
    except OSError as problem:
        raise InputError(
            f"{folder} is no exported predictor: {problem.strerror}: {problem.filename}"
        ) from None
    except ValueError as problem:
        raise InputError(f"{settings_file} is no JSON ({problem}); {_DAMAGED}") from None
    version = settings.get("format") if isinstance(settings, dict) else None
    if version != _FORMAT:
        raise InputError(
            f"{settings_file} has format {version!r}, and this version reads {_FORMAT}; {_DAMAGED}"
        )
    if sha256(raw).hexdigest() != settings.get("weights_sha256"):
        raise InputError(f"{weights_file} holds other weights than were exported; {_DAMAGED}")
    try:
        return ExportedPredictor(
            arm=settings["arm"],
            structure=Structure(**settings["settings"]),
            weights=tensors_from(raw),
            units=LatentUnits(**settings["latents"]),
            origin=settings["origin"],
        )
    except (KeyError, TypeError, SafetensorError) as problem:
        raise InputError(
            f"{settings_file} cannot be read ({type(problem).__name__}: {problem}); {_DAMAGED}"
        ) from None
