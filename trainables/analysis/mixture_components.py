"""What the components of a learnt mixture, or archetypes of steps, sound like: the steps that each dominates.

A step belongs to the component that most probably made it: the one of greatest responsibility given the true
step and its past (primary), or of greatest weight before the step is known (gating). Where no predictor has
components, the directions of training steps are clustered by spherical k-means and a step belongs to the
nearest centre, its archetype. Components are compared with random groups of the same sizes in each utterance.

Shapes: N steps, K components, D dimensions, T frames of an utterance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.analysis.probe_cases import cases
from trainables.distributions.affine import unmapped
from trainables.distributions.mixture import GaussianMixture, PolarMixture
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.prepared_data import PreparedData
from trainables.latents.batching.shard import Shard
from trainables.predictor.config import Structure
from trainables.predictor.evaluation.replay import expected, lane, windows_of
from trainables.predictor.heads import survey
from trainables.predictor.scores import Scores

ARCHETYPES = 8
# What is heard in a step from one frame to the next; each is NaN where it is unknown.
STEP_FEATURES = (
    "spectral_flux",  # of the later frame
    "pitch_change",  # semitones, from voiced to voiced
    "energy_change",  # dB
    "onset",  # of voicing: 1 or 0
    "offset",  # of voicing: 1 or 0
    "voiced",  # of the later frame: 1 or 0
    "energy",  # of the later frame, dB
    "magnitude",  # |delta|, in units of the training RMS
)
AcousticTracks = Mapping[str, Mapping[str, np.ndarray]]  # utterance -> energy, f0, spectral_flux [T]


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Steps of held-out speakers, each with the component that it belongs to.

    Attributes:
        utterance_N: id of the utterance. speaker_N: id of the speaker. place_N: frame of the utterance that
        the step starts from. delta_ND: the step itself. labels: components by "responsibility" and by
        "gating", or by "nearest", [N] each; the first is primary. typical_N: how certain it is that the step
        belongs to its component, at most 1. components: number of components, K.
    """

    utterance_N: np.ndarray
    speaker_N: np.ndarray
    place_N: np.ndarray
    delta_ND: Tensor
    labels: dict[str, np.ndarray]
    typical_N: np.ndarray
    components: int

    @property
    def primary(self) -> np.ndarray:
        """The labels that profiles are made of, [N]."""
        return next(iter(self.labels.values()))


def component_steps(structure: Structure, weights: Mapping[str, Tensor], held_out: Feed) -> Steps:
    """All steps in the horizons of evaluation windows, each predicted from its true past.

    Args:
        structure: of a lane whose head predicts a mixture.
        weights: of the lane.
        held_out: frames of the speakers whose steps they are.

    Raises:
        ValueError: the head predicts no mixture.
    """
    return steps_of_shards(structure, weights, held_out.chunks())


def steps_of_shards(structure: Structure, weights: Mapping[str, Tensor], shards: Iterable[Shard]) -> Steps:
    """The same of the first frames of some shards, on the CPU; see :func:`component_steps`."""
    parts = []
    for shard in shards:
        predictor = lane(structure, weights, shard.dim)
        for windows in windows_of(structure, shard):
            law, delta_BKD = expected(structure, predictor, windows)
            law, mapped_BKD = unmapped(law, delta_BKD)
            if not isinstance(law, GaussianMixture | PolarMixture):
                raise ValueError(f"the head {structure.head!r} predicts no mixture; there are no components")
            responsibility = law.responsibilities(mapped_BKD).flatten(0, 1)
            certainty_N, component_N = responsibility.max(-1)
            gating_N = law.log_weights.argmax(-1).flatten()
            first = torch.from_numpy(windows.starts_B)[:, None] + structure.context - 1
            rows_N = (first + torch.arange(structure.horizon)).flatten().numpy()
            owners_N = np.repeat(windows.owners_B, structure.horizon)
            labels = {"responsibility": component_N.numpy(), "gating": gating_N.numpy()}
            parts.append(
                _steps(
                    shard,
                    rows_N,
                    owners_N,
                    delta_BKD.flatten(0, 1),
                    labels,
                    certainty_N,
                    structure.components,
                )
            )
    return _joined(parts)


def archetype_steps(train: Feed, held_out: Feed, count: int = ARCHETYPES) -> Steps:
    """All steps of held-out speakers, by the nearest of ``count`` cluster centres of training steps.

    Raises:
        InputError: fewer training steps move than there are to be archetypes.
    """
    now_ND, next_ND = PreparedData.from_feed(train).pairs_2SND[:, 0]
    codes_KD = survey(
        Structure(head="direction_codebook", components=count, coordinates="raw"), next_ND - now_ND, now_ND
    ).codes_KD
    assert codes_KD is not None  # a codebook's survey holds codes
    parts = []
    for shard in held_out.chunks():
        frames_ND = shard.frames_SND[0]
        for now_N, owner_N in cases(shard, 1, 1):
            delta_ND = frames_ND[now_N + 1] - frames_ND[now_N]
            cosine_NK = torch.nn.functional.normalize(delta_ND, dim=-1) @ codes_KD.to(delta_ND).mT
            certainty_N, nearest_N = cosine_NK.max(-1)
            labels = {"nearest": nearest_N.numpy()}
            parts.append(_steps(shard, now_N.numpy(), owner_N, delta_ND, labels, certainty_N, count))
    return _joined(parts)


def acoustics(steps: Steps, tracks: AcousticTracks) -> dict[str, np.ndarray]:
    """The :data:`STEP_FEATURES` of each step by name, [N] each; NaN where one is unknown."""
    track = {name: (np.empty(len(steps.place_N)), np.empty(len(steps.place_N))) for name in _TRACKS}
    for utterance_id in np.unique(steps.utterance_N):
        rows = np.flatnonzero(steps.utterance_N == utterance_id)
        for name, (now, later) in track.items():
            values_T = np.asarray(tracks[utterance_id][name], np.float64)
            now[rows], later[rows] = values_T[steps.place_N[rows]], values_T[steps.place_N[rows] + 1]
    f0, f1 = track["f0"]
    known, voiced = np.isfinite(f0) & np.isfinite(f1), (f0 > 0) & (f1 > 0)
    semitones = np.full(len(f0), np.nan)
    semitones[voiced] = 12 * np.log2(f1[voiced] / f0[voiced])
    return {
        "spectral_flux": track["spectral_flux"][1],
        "pitch_change": semitones,
        "energy_change": track["energy"][1] - track["energy"][0],
        "onset": np.where(known, (f0 == 0) & (f1 > 0), np.nan),
        "offset": np.where(known, (f0 > 0) & (f1 == 0), np.nan),
        "voiced": np.where(known, f1 > 0, np.nan),
        "energy": track["energy"][1],
        "magnitude": steps.delta_ND.double().norm(dim=-1).numpy(),
    }


def shuffled(steps: Steps, seed: int = 0) -> np.ndarray:
    """The primary labels in random order within each utterance, [N]."""
    rng, labels = np.random.default_rng(seed), steps.primary.copy()
    for utterance_id in np.unique(steps.utterance_N):
        rows = np.flatnonzero(steps.utterance_N == utterance_id)
        labels[rows] = rng.permutation(labels[rows])
    return labels


def profiles(
    steps: Steps, features: Mapping[str, np.ndarray], labels_N: np.ndarray, frame_rate: float
) -> list[Scores]:
    """Scores of each component: the mean of each known feature, its ``share`` of steps, and its ``movement``.

    ``movement`` is the share of the sum of |delta|^2.

    Args:
        steps: of held-out speakers.
        features: of the steps, from :func:`acoustics`.
        labels_N: component of each step.
        frame_rate: of the latents, Hz.
    """
    return [
        _scores(steps, frame_rate, _profile(steps, features, labels_N == k)) for k in range(steps.components)
    ]


def explained(
    steps: Steps, features: Mapping[str, np.ndarray], labels_N: np.ndarray, frame_rate: float
) -> Scores:
    """Scores of each known feature: the share of its variance that lies between components (eta squared).

    Args:
        steps: of held-out speakers.
        features: of the steps, from :func:`acoustics`.
        labels_N: component of each step.
        frame_rate: of the latents, Hz.
    """
    parts = {}
    for name, values_N in features.items():
        known = np.isfinite(values_N)
        if not known.any():
            continue
        about = np.square(values_N - values_N[known].mean())
        within = np.zeros(len(values_N))
        for k in np.unique(labels_N[known]):
            rows = known & (labels_N == k)
            within[rows] = np.square(values_N[rows] - values_N[rows].mean())
        parts[name] = (np.where(known, about - within, 0.0), np.where(known, about, 0.0))
    return _scores(steps, frame_rate, parts)


def exemplars(steps: Steps, component: int, count: int, margin: int, lengths: Mapping[str, int]) -> list[int]:
    """Rows of the most typical steps of a component, at most one of each speaker.

    They are those that belong to it most certainly, of the steps whose magnitude lies in the middle half of
    the component's magnitudes.

    Args:
        steps: of held-out speakers.
        component: its number.
        count: most rows.
        margin: frames that there are on either side of a step in its utterance.
        lengths: frames of each utterance, by id.
    """
    rows = np.flatnonzero(steps.primary == component)
    if not len(rows):
        return []
    size = steps.delta_ND[rows].norm(dim=-1).numpy()
    low, high = np.quantile(size, (0.25, 0.75))
    left = np.array([lengths[u] for u in steps.utterance_N[rows]]) - steps.place_N[rows] - 1
    fits = (steps.place_N[rows] >= margin) & (left >= margin) & (low <= size) & (size <= high)
    rows = rows[fits]
    # Many are certain: of these, the nearest to the component's mean step come first.
    mean_D = steps.delta_ND[steps.primary == component].mean(0)
    cosine = torch.nn.functional.cosine_similarity(steps.delta_ND[rows], mean_D.unsqueeze(0), dim=-1).numpy()
    order = rows[np.lexsort((-cosine, -np.round(steps.typical_N[rows], 2)))]
    _, first = np.unique(steps.speaker_N[order], return_index=True)
    return order[np.sort(first)][:count].tolist()


_TRACKS = ("energy", "f0", "spectral_flux")
_Parts = Mapping[str, tuple[np.ndarray, np.ndarray]]  # what each step adds above and below a fraction


def _profile(steps: Steps, features: Mapping[str, np.ndarray], belongs_N: np.ndarray) -> _Parts:
    squares = steps.delta_ND.double().square().sum(-1).numpy()
    parts = {"share": (belongs_N, np.ones(len(belongs_N))), "movement": (belongs_N * squares, squares)}
    for name, values_N in features.items():
        counted = belongs_N & np.isfinite(values_N)
        if np.isfinite(values_N).any():
            parts[name] = (np.where(counted, values_N, 0.0), counted)
    return parts


def _scores(steps: Steps, frame_rate: float, parts: _Parts) -> Scores:
    names, rows = np.unique(steps.speaker_N, return_inverse=True)
    scores = Scores(names.tolist(), frame_rate, 1)
    for name, (above, below) in parts.items():
        scores.add(name, rows, above, below)
    return scores


def _steps(
    shard: Shard,
    rows_N: np.ndarray,
    owner_N: np.ndarray,
    delta_ND: Tensor,
    labels: dict[str, np.ndarray],
    certainty_N: Tensor,
    components: int,
) -> Steps:
    return Steps(
        utterance_N=np.array(shard.ids)[owner_N],
        speaker_N=np.array(shard.speakers)[owner_N],
        place_N=rows_N - shard.offsets[owner_N],
        delta_ND=delta_ND,
        labels=labels,
        typical_N=certainty_N.double().numpy(),
        components=components,
    )


def _joined(parts: list[Steps]) -> Steps:
    names = parts[0].labels
    return Steps(
        utterance_N=np.concatenate([p.utterance_N for p in parts]),
        speaker_N=np.concatenate([p.speaker_N for p in parts]),
        place_N=np.concatenate([p.place_N for p in parts]),
        delta_ND=torch.cat([p.delta_ND for p in parts]),
        labels={name: np.concatenate([p.labels[name] for p in parts]) for name in names},
        typical_N=np.concatenate([p.typical_N for p in parts]),
        components=parts[0].components,
    )
