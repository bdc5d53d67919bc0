"""Continuations of a context by a predictor, with several seeds.

Shapes: C frames that are read, K frames of continuation, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.generate.contexts import SpokenContext
from orchestrator.inspection.clips import CONTEXT_SECONDS
from trainables.errors import InputError
from trainables.latents.codecs.base import Codec
from trainables.listening.decode import decode_continuation, wav_bytes
from trainables.predictor.exported import ExportedPredictor

MOST_SECONDS = 600.0  # of one continuation


@dataclass(frozen=True, kw_only=True)
class HowToContinue:
    """What a command asks of every predictor.

    Attributes:
        seconds: length of a continuation.
        seeds: of the noise of sampled feedback.
        feedback: what is fed back; None is what a predictor was judged with.
        temperature: of sampled feedback; likewise.
        context_seconds: how much of the context is read.
    """

    seconds: float
    seeds: tuple[int, ...] = (0,)
    feedback: str | None = None
    temperature: float | None = None
    context_seconds: float = CONTEXT_SECONDS

    def __post_init__(self) -> None:
        for name, value in (("seconds", self.seconds), ("context-seconds", self.context_seconds)):
            if not 0 < value <= MOST_SECONDS:
                raise InputError(f"--{name} is {value:g}; it must be above 0 and at most {MOST_SECONDS:g}")


@dataclass(frozen=True, kw_only=True)
class Continuation:
    """How a predictor goes on from a context; latents are in the codec's units."""

    predictor: ExportedPredictor
    context: SpokenContext
    reads: int  # frames of the context that were read, C
    latents_KD: np.ndarray
    feedback: str
    # None where nothing is drawn.
    seed: int | None
    temperature: float | None

    @property
    def name(self) -> str:
        """The arm, with the seed where one matters."""
        return self.predictor.arm if self.seed is None else f"{self.predictor.arm}, seed {self.seed}"

    @property
    def file_part(self) -> str:
        """The same as a part of the name of a file."""
        return self.name.replace(", seed ", "-")

    def wav(self, codec: Codec) -> bytes:
        """What was read of the context, and the continuation, as a WAV file."""
        return self._decoded(codec, self.latents_KD)

    def copy(self, codec: Codec) -> bytes | None:
        """The same with what truly follows in place of the continuation; None where nothing does."""
        end = self.context.end
        true_KD = self.context.latents_TD[end : end + len(self.latents_KD)]
        return self._decoded(codec, true_KD) if len(true_KD) else None

    def _decoded(self, codec: Codec, latents_KD: np.ndarray) -> bytes:
        end = self.context.end
        audio, _ = decode_continuation(codec, self.context.latents_TD[end - self.reads : end], latents_KD)
        return wav_bytes(audio, codec.sample_rate)


def continuations(
    predictor: ExportedPredictor, context: SpokenContext, how: HowToContinue
) -> list[Continuation]:
    """The continuations of a context by one predictor: one per seed, or a single one where nothing is drawn.

    Raises:
        InputError: the context is too short, the feedback or temperature is not possible, or a continuation
            leaves the finite numbers.
    """
    structure, rate = predictor.fed_back(how.feedback, how.temperature), predictor.units.frame_rate
    is_drawn = structure.feedback == "sample"
    frames, end = max(1, round(how.seconds * rate)), context.end
    reads = min(end, max(structure.context, round(how.context_seconds * rate)))
    made = []
    for seed in how.seeds if is_drawn else how.seeds[:1]:
        latents_KD = predictor.continue_latents(
            context.latents_TD[:end],
            frames,
            name=context.utterance_id,
            seed=seed,
            reads=reads,
            feedback=how.feedback,
            temperature=how.temperature,
        )
        _require_finite(predictor, seed, latents_KD)
        made.append(
            Continuation(
                predictor=predictor,
                context=context,
                reads=reads,
                latents_KD=latents_KD,
                feedback=structure.feedback,
                seed=seed if is_drawn else None,
                temperature=structure.temperature if is_drawn else None,
            )
        )
    return made


def require_draws(made: Sequence[Continuation], how: HowToContinue) -> None:
    """Refuse several seeds where no predictor draws anything.

    Raises:
        InputError: none does.
    """
    if len(how.seeds) > 1 and all(each.seed is None for each in made):
        raise InputError(
            f"--seed is given {len(how.seeds)} times, and feedback {made[0].feedback!r} draws nothing; add "
            "--feedback sample, or give one seed"
        )


def _require_finite(predictor: ExportedPredictor, seed: int, latents_KD: np.ndarray) -> None:
    lost = np.flatnonzero(~np.isfinite(latents_KD).all(1))
    if len(lost):
        after = lost[0] / predictor.units.frame_rate
        raise InputError(
            f"the {predictor.arm} arm, seed {seed}, leaves the finite numbers after {after:.2f} s; ask for "
            "fewer --seconds, or a lower --temperature"
        )
