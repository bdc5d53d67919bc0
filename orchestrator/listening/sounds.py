"""What a panel hears: continuations of test speech by a run's winners, loudness matched and equally long.

Shapes: C frames of context, K frames of continuation, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torchaudio.functional as audio_functional

from orchestrator.inspection.clips import Clip, choose_clips, continued, heard_structure
from orchestrator.listening.panel import COPY, FROZEN, WALK, Trial
from orchestrator.records.evidence import ArmEvidence, Evidence, Replicate
from orchestrator.records.lane_store import LANES_FOLDER, LaneStore
from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec
from trainables.latents.codecs.base import Codec
from trainables.latents.storage.dataset import LatentDataset, open_dataset
from trainables.listening.decode import decode_continuation, wav_bytes
from trainables.listening.perturbation import heard_path
from trainables.predictor.scores import LaneStatus

MEAN, OTHER = "mean of all frames", "another speaker"  # sources that no panel hears
_PERTURBATION = "perturbation"  # the trainable that continues with the truth, changed
LOUDNESS = -23.0  # LUFS, of every sound unless it would clip
_MOST = 0.99  # of full scale
_SHORTEST = 0.4  # seconds that a measure of loudness needs


class SoundMaker:
    """Makes the sounds of a run's arms, in the latents that they were judged on.

    Raises:
        InputError: the latents have gone or changed, have no decoder, or an arm's weights are missing.
    """

    def __init__(self, run: Path, evidence: Evidence, arms: Sequence[str]) -> None:
        self._dataset = _dataset(evidence)
        self._store = LaneStore(run.parent / LANES_FOLDER)
        self._arms = {name: _arm(evidence, name) for name in arms}
        self._feedback = evidence.continuation
        self._loaded: dict[str, dict[str, torch.Tensor]] = {}  # weights, by the key of their lane
        # Whole clips and their continuations, by source and utterance.
        self._made: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
        meta = self._dataset.meta
        assert meta.codec is not None
        self.codec: Codec = load_codec(meta.codec, meta.weights)

    def clips(self, count: int) -> list[Clip]:
        """Up to ``count`` pieces of test speech, taking turns over the speakers.

        Raises:
            InputError: there are too few that are long enough.
        """
        clips = choose_clips(self._dataset, [arm.config for arm in self._arms.values()], count)
        if len(clips) < 2:
            raise InputError(
                "fewer than two test utterances are long enough to be listened to; encode more speech"
            )
        return clips

    def sounds(
        self, trials: Sequence[Trial], clips: Sequence[Clip], advance: Callable[[int, int], None]
    ) -> dict[str, bytes]:
        """WAV files by opaque name, of one length; ``advance`` gets trials done, and how many they are."""
        places = {clip.utterance_id: number for number, clip in enumerate(clips)}
        audio: dict[str, np.ndarray] = {}
        for done, trial in enumerate(trials):
            advance(done, len(trials))
            number = places[trial.utterance_id]
            heard = [self._decoded(source, clips, number)[0] for source in trial.sources]
            audio |= dict(zip(trial.sounds, matched(heard, self.codec.sample_rate), strict=True))
        advance(len(trials), len(trials))
        samples = max(map(len, audio.values()))
        return {
            name: wav_bytes(np.pad(part, (0, samples - len(part))), self.codec.sample_rate)
            for name, part in audio.items()
        }

    def continuation(self, source: str, clips: Sequence[Clip], number: int) -> np.ndarray:
        """The continuation of a clip alone, [samples], decoded behind its context."""
        return self._decoded(source, clips, number)[1]

    def _decoded(self, source: str, clips: Sequence[Clip], number: int) -> tuple[np.ndarray, np.ndarray]:
        """A clip with the continuation of a source, and that continuation alone; decoded once."""
        key = (source, clips[number].utterance_id)
        if key not in self._made:
            self._made[key] = self._decode(source, clips, number)
        return self._made[key]

    def _decode(self, source: str, clips: Sequence[Clip], number: int) -> tuple[np.ndarray, np.ndarray]:
        clip, context = clips[number], len(clips[number].normalised_CD)
        true_KD = clip.raw_TD[context:]
        if source == COPY:
            continued_KD = true_KD
        elif source == FROZEN:
            continued_KD = np.repeat(clip.raw_TD[context - 1 : context], len(true_KD), 0)
        elif source == WALK:
            continued_KD = random_walk(clip.raw_TD[context - 1 :], number)
        elif source == OTHER:
            continued_KD = clips[(number + 1) % len(clips)].raw_TD[-len(true_KD) :]
        elif source == MEAN:
            every_TD = np.concatenate([each.raw_TD for each in clips])
            continued_KD = np.repeat(every_TD.mean(0, keepdims=True), len(true_KD), 0)
        else:
            continued_KD = self._continued(self._arms[source], clip, number)
        return decode_continuation(self.codec, clip.raw_TD[:context], continued_KD)

    def _continued(self, arm: ArmEvidence, clip: Clip, number: int) -> np.ndarray:
        """The continuation of a clip by one of an arm's replicates, which take turns over the clips."""
        finished = [r for r in arm.replicates if r.status == LaneStatus.FINISHED]
        replicate = finished[number % len(finished)]
        if arm.config.kind == _PERTURBATION:
            before_CD, after_KD = np.split(clip.raw_TD, [len(clip.normalised_CD)])
            return heard_path(arm.config.structure, replicate.seed, before_CD[-1], after_KD, number)
        weights = self._weights(arm.name, replicate)
        structure = heard_structure(arm.config.structure, self._feedback, replicate.details)
        (latents,) = continued([clip], structure, weights, number, self._dataset.rms)
        # What left the numbers cannot be decoded: it is heard as standing still from there on.
        lost = np.flatnonzero(~np.isfinite(latents).all(1))
        if len(lost):
            last_D = latents[lost[0] - 1] if lost[0] else clip.raw_TD[len(clip.normalised_CD) - 1]
            latents[lost[0] :] = last_D
        return latents

    def _weights(self, arm: str, replicate: Replicate) -> dict[str, torch.Tensor]:
        if replicate.key not in self._loaded:
            weights = self._store.weights(replicate.key)
            if weights is None:
                raise InputError(
                    f"the weights of the {arm} arm's seed {replicate.seed} are no longer in "
                    f"{self._store.folder}; run the sweep again"
                )
            self._loaded[replicate.key] = weights
        return self._loaded[replicate.key]


def random_walk(frames_TD: np.ndarray, number: int) -> np.ndarray:
    """K frames that go on from the first of K + 1, by steps as long as theirs in random directions."""
    rng = np.random.default_rng([number, len(frames_TD)])
    lengths_K1 = np.linalg.norm(np.diff(frames_TD.astype(np.float64), axis=0), axis=1, keepdims=True)
    steps_KD = rng.normal(size=(len(lengths_K1), frames_TD.shape[1]))
    steps_KD *= lengths_K1 / np.linalg.norm(steps_KD, axis=1, keepdims=True)
    return (frames_TD[0] + steps_KD.cumsum(0)).astype(np.float32)


def matched(sounds: Sequence[np.ndarray], sample_rate: int) -> list[np.ndarray]:
    """Sounds at one loudness (ITU-R BS.1770), which is lower where one of them would clip.

    Silence, and what is too short to be measured, stays as it is.
    """
    levels = [_loudness(audio, sample_rate) for audio in sounds]
    target = LOUDNESS
    for audio, level in zip(sounds, levels, strict=True):
        peak = float(np.abs(audio).max(initial=0.0))
        if level is not None and peak > 0:
            target = min(target, level + 20 * np.log10(_MOST / peak))
    return [
        audio if level is None else audio * 10 ** ((target - level) / 20)
        for audio, level in zip(sounds, levels, strict=True)
    ]


def _loudness(audio: np.ndarray, sample_rate: int) -> float | None:
    if len(audio) < _SHORTEST * sample_rate:
        return None
    level = float(audio_functional.loudness(torch.from_numpy(audio).double()[None], sample_rate))
    return level if np.isfinite(level) else None


def _dataset(evidence: Evidence) -> LatentDataset:
    if evidence.other_data:
        raise InputError(f"{evidence.study} compares representations; a panel hears arms of one alone")
    dataset = open_dataset(Path(evidence.data["path"]))
    if dataset.content_hash != evidence.data["hash"]:
        raise InputError(f"the latents in {dataset.root} are not those that the run was judged on")
    if dataset.meta.codec is None:
        raise InputError(f"nothing can be heard: {dataset.meta.representation} has no decoder to audio")
    return dataset


def _arm(evidence: Evidence, name: str) -> ArmEvidence:
    arm = evidence.arms.get(name)
    if arm is None or not any(r.status == LaneStatus.FINISHED for r in arm.replicates):
        raise InputError(f"the run has no finished replicate of the {name} arm to listen to")
    return arm
