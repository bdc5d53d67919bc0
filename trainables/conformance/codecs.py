"""What every codec keeps: frames that cover the audio, no memory, and a refusal of what is no audio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from trainables.conformance.promises import Promise
from trainables.errors import InputError
from trainables.latents.codecs.base import Codec


@dataclass(frozen=True)
class CodecCase:
    """A codec to examine.

    Attributes:
        codec: made.
        again: makes it once more.
        sounds: two sounds [samples] at its sample rate that differ, no whole number of frames long.
    """

    codec: Codec
    again: Callable[[], Codec]
    sounds: tuple[np.ndarray, np.ndarray]

    @property
    def hop(self) -> int:
        """Samples of a frame."""
        return round(self.codec.sample_rate / self.codec.frame_rate)


def made_sounds(sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Two sounds with a pitch and syllables, 0.95 s long, float32 in -1..1."""
    time = np.arange(int(0.95 * sample_rate)) / sample_rate
    sounds = []
    for seed, pitch in ((0, 110.0), (1, 190.0)):
        noise = np.random.default_rng(seed).normal(0, 0.01, len(time))
        partials = sum(np.sin(2 * np.pi * k * pitch * time + seed * k) / k for k in range(1, 12))
        loudness = 0.2 * (1 + np.sin(2 * np.pi * (3 + seed) * time))
        sounds.append((0.2 * loudness * partials + noise).astype(np.float32))
    return sounds[0], sounds[1]


def says_what_it_is(case: CodecCase) -> Iterator[str]:
    """It has a hash of 16 digits, the same whenever it is made, and a whole number of samples a frame."""
    codec = case.codec
    if len(codec.hash) != 16:
        yield f"its hash is {codec.hash!r}; it must have 16 digits"
    if codec.sample_rate / codec.frame_rate != case.hop:
        yield f"{codec.sample_rate} samples at {codec.frame_rate} frames a second are no whole number a frame"
    if case.again().hash != codec.hash:
        yield "its hash is another each time that it is made"


def frames_cover_the_audio(case: CodecCase) -> Iterator[str]:
    """Frames cover the audio, one a hop, and decode to as much: finite float32, in float16 too."""
    codec, hop, audio = case.codec, case.hop, case.sounds[0]
    for samples in (1, hop, hop + 1, len(audio)):
        latents = codec.encode(audio[:samples])
        expected = (-(-samples // hop), codec.dim)
        if latents.shape != expected or latents.dtype != np.float32:
            yield f"{samples} samples give {latents.dtype} {latents.shape}; they must give float32 {expected}"
            return
        if not np.isfinite(latents.astype(np.float16)).all():
            yield "a latent is not finite, or not once it is stored as float16"
    for frames in (1, 3, len(latents)):
        decoded = codec.decode(latents[:frames])
        if decoded.shape != (frames * hop,) or decoded.dtype != np.float32:
            yield (
                f"{frames} frames decode to {decoded.dtype} {decoded.shape}; they must decode to float32 "
                f"{(frames * hop,)}"
            )
        elif not np.isfinite(decoded).all():
            yield "decoded audio is not finite"


def remembers_nothing(case: CodecCase) -> Iterator[str]:
    """The same audio gives the same latents, and they the same sound, whatever came before."""
    codec, (one, other) = case.codec, case.sounds
    latents, decoded = codec.encode(one), codec.decode(codec.encode(one))
    codec.decode(codec.encode(other))
    if not np.array_equal(codec.encode(one), latents):
        yield "the same audio gives other latents after another was encoded"
    if not np.array_equal(codec.decode(latents), decoded):
        yield "the same latents give another sound after others were decoded"


def depends_on_what_goes_in(case: CodecCase) -> Iterator[str]:
    """Other audio gives other latents, and other latents another sound."""
    latents = [case.codec.encode(audio) for audio in case.sounds]
    for what, (one, other) in (("latents", latents), ("audio", [case.codec.decode(z) for z in latents])):
        if not np.abs(one - other).max() > 0.5 * one.std() > 0:
            yield f"{what} of two different sounds hardly differ"


def bears_silence(case: CodecCase) -> Iterator[str]:
    """Digital silence is audio like any other."""
    latents = case.codec.encode(np.zeros(case.codec.sample_rate // 4, np.float32))
    if not np.isfinite(latents).all() or not np.isfinite(case.codec.decode(latents)).all():
        yield "digital silence is not finite once it is encoded, or decoded"


def refuses(case: CodecCase) -> Iterator[str]:
    """What is no audio, or no latents, is refused with an InputError."""
    codec = case.codec
    audio, latents = np.zeros(4000, np.float32), np.zeros((3, codec.dim), np.float32)
    sounds = {
        "no samples": audio[:0],
        "two channels": audio.reshape(2, -1),
        "a sample that is no number": np.where(np.arange(4000) == 7, np.nan, audio),
    }
    frames = {"no frames": latents[:0], "frames too narrow": latents[:, 1:], "infinity": latents + np.inf}
    attempts = [("encode", codec.encode, sounds), ("decode", codec.decode, frames)]
    for verb, attempt, cases in attempts:
        for what, value in cases.items():
            try:
                attempt(value)
            except InputError:
                continue
            yield f"{verb} takes {what}; let it raise InputError (whole_frames and sound_latents check)"


CODEC_PROMISES: tuple[Promise, ...] = (
    says_what_it_is,
    frames_cover_the_audio,
    remembers_nothing,
    depends_on_what_goes_in,
    bears_silence,
    refuses,
)
