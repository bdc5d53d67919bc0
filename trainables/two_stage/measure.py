"""A generator of one or of two stages, as something that a lane runs: its free runs, beside their nulls.

Sums and counts per speaker, over windows whose horizons tile judged utterances. Curves, of K steps:

* ``energy_score`` of the runs and ``energy_score_of_climate``, of training frames: their skill is
  ``energy_skill@1-8``; ``state_error`` of the runs' mean;
* ``cos`` and ``log_magnitude_ratio`` between the steps of each run and the true ones, and ``runaway``, the
  share of runs that have left the range of the data: they stand still from there on.

Of steps 1 to 8, as shares of climatology's energy score:

* ``skill_of_still``: of no step at all; ``skill_of_halved``: of the same runs with all magnitudes halved, and
  ``lost_by_halving`` by how much that is worse;
* of two stages, ``skill_of_constant``: of the same directions, where they do not depend on magnitudes, with
  the median magnitude; ``skill_of_strangers``: with magnitudes given what was heard of someone else.

``magnitude_explained`` is the share of the variance of log magnitudes that the second stage expects, and
``quality`` what decoded runs are worth (:mod:`trainables.two_stage.heard_runs`).

Shapes: B windows, S samples, N = S B runs, C frames of context, K rollout steps, D latent dimensions.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.analysis.score_settings import MOST_EXPLORED, SKILL_STEPS
from trainables.analysis.utterance_paths import utterance_paths
from trainables.contract import Evaluation
from trainables.distributions.law import log_norm
from trainables.errors import InputError
from trainables.latents.batching.even_share import EvenShare
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.shard import Shard
from trainables.one_by_one import train_one_by_one
from trainables.predictor.evaluation.proper_scores import energy_score, energy_score_of_one
from trainables.predictor.evaluation.windows import spread_windows, window_names, window_noise, window_share
from trainables.predictor.scores import LaneStatus, Scores, merge
from trainables.predictor.training.lane_result import LaneResult
from trainables.training_context import Context
from trainables.two_stage.generator import Generator
from trainables.two_stage.heard_runs import heard_quality
from trainables.two_stage.heard_so_far import heard_so_far
from trainables.two_stage.settings import DIRECTIONS, GLOBAL, JOINT, TwoStageLane, TwoStageStructure

_CLIMATE = 64  # training frames that stand for all
_AT_ONCE = 128  # windows


def train_two_stages(
    structure: TwoStageStructure,
    lanes: Sequence[TwoStageLane],
    train: Feed,
    evaluation: Evaluation,
    context: Context,
) -> list[LaneResult]:
    """Train and judge the generator of each lane, see :class:`trainables.contract.TrainPack`.

    Raises:
        InputError: no utterance is as long as context and horizon.
    """
    return train_one_by_one(lanes, context, lambda lane: _lane(structure, lane, train, evaluation))


def _lane(
    structure: TwoStageStructure, lane: TwoStageLane, train: Feed, evaluation: Evaluation
) -> LaneResult:
    generator = Generator.fit(structure, lane, train, evaluation.held_out)
    judged = evaluation.judged
    most = MOST_EXPLORED if evaluation.exploring else 0  # else all
    share = window_share(judged.extent.lengths, structure.context, structure.horizon, most)
    judge = _Judge.of(generator, lane, share)
    scores = merge(judge.scores(judged, shard) for shard in judged.chunks())
    if not sum(counts.sum() for counts in scores.counts.values()):
        raise InputError(
            f"horizon is {structure.horizon}, but no judged utterance has more than context and horizon "
            f"together, {structure.context + structure.horizon} frames; make it smaller"
        )
    if not evaluation.exploring and evaluation.codec is not None:
        heard_quality(generator, lane, train, evaluation, scores)
    is_finite = all(np.isfinite(values).all() for values in scores.sums.values())
    return LaneResult(
        status=LaneStatus.FINISHED if is_finite else LaneStatus.DIVERGED,
        scores=scores.to_json() if is_finite else None,
        history=[],
        parameters=sum(value.numel() for value in generator.model.parameters()),
        seconds=0.0,
        state=generator.state(),
    )


@dataclass(frozen=True)
class _Judge:
    generator: Generator
    lane: TwoStageLane
    climate_SD: Tensor
    strangers_RF: Tensor
    share: EvenShare

    @classmethod
    def of(cls, generator: Generator, lane: TwoStageLane, share: EvenShare) -> _Judge:
        paths = generator.paths
        rows = np.random.default_rng(lane.seed).integers(len(paths.frames_ND), size=_CLIMATE)
        climate_SD = generator.coordinates.outside(paths.frames_ND[torch.from_numpy(rows)].double())
        starts_R = paths.drawn(_CLIMATE, torch.Generator().manual_seed(lane.seed))
        strangers_RF = paths.features_NF[starts_R + generator.structure.context - 1]
        return cls(generator, lane, climate_SD, strangers_RF, share)

    @torch.no_grad()
    def scores(self, feed: Feed, shard: Shard) -> Scores:
        """Of the speakers of a shard."""
        structure, coordinates = self.generator.structure, self.generator.coordinates
        C, K = structure.context, structure.horizon
        speakers = sorted(set(shard.speakers))
        scores = Scores(speakers, feed.frame_rate, K)
        starts_B, owners_B = spread_windows(shard, C, K, self.share)
        paths = utterance_paths(shard, feed.surrogates.index(self.lane.surrogate))
        inside = [coordinates.inside(path) for path in paths]
        features = [heard_so_far(path) for path in inside]
        names = window_names(shard, starts_B, owners_B)
        for first in range(0, len(starts_B), _AT_ONCE):
            block = slice(first, first + _AT_ONCE)
            owners = owners_B[block].tolist()
            begins = (starts_B[block] - shard.offsets[owners_B[block]]).tolist()
            places = list(zip(owners, begins, strict=True))
            window_BTD = torch.stack([inside[u][begin : begin + C + K] for u, begin in places])
            features_BF = torch.stack([features[u][begin + C - 1] for u, begin in places])
            whose_B = np.array([speakers.index(shard.speakers[u]) for u in owners])
            self._add(scores, window_BTD, features_BF, names[block], whose_B)
        return scores

    def _add(
        self,
        scores: Scores,
        window_BTD: Tensor,
        features_BF: Tensor,
        names: Sequence[str],
        whose_B: np.ndarray,
    ) -> None:
        structure, outside = self.generator.structure, self.generator.coordinates.outside
        C, S, K = structure.context, structure.samples, structure.horizon
        noise = window_noise([f"{name}/{self.lane.seed}" for name in names], [S, K], window_BTD)
        noise = noise.apply(lambda x: x.flatten(0, 1))
        context_BCD, last_BD = window_BTD[:, :C], outside(window_BTD[:, C - 1])
        truth_BKD = outside(window_BTD[:, C:])
        B, _, D = truth_BKD.shape

        def paths(steps_NKD: Tensor) -> tuple[Tensor, Tensor]:
            """Frames [S, B, K, D] of the representation, and whether a run had run away, [S, B, K]."""
            frames_SBKD = outside(window_BTD[:, C - 1, None] + steps_NKD.cumsum(1).reshape(S, B, K, D))
            return self.generator.bound.stopped(frames_SBKD, last_BD.expand(S, B, D))

        def score(steps_NKD: Tensor) -> Tensor:
            frames_SBKD, _ = paths(steps_NKD)
            return energy_score(frames_SBKD.flatten(1, 2), truth_BKD.flatten(0, 1)).reshape(B, K)

        climate_BK = energy_score_of_one(self.climate_SD, truth_BKD.flatten(0, 1)).reshape(B, K)
        under_B = climate_BK[:, :SKILL_STEPS].sum(1)

        def add(name: str, above_B: Tensor, below_B: Tensor | None = None) -> None:
            scores.add(name, whose_B, above_B.numpy(), None if below_B is None else below_B.numpy())

        def add_skill(name: str, score_BK: Tensor) -> None:
            add(f"skill_of_{name}", under_B - score_BK[:, :SKILL_STEPS].sum(1), under_B)

        steps_NKD = self.generator.steps(context_BCD, features_BF, noise)
        runs_SBKD, gone_SBK = paths(steps_NKD)
        score_BK, halved_BK = score(steps_NKD), score(steps_NKD / 2)
        add_skill("still", (last_BD[:, None] - truth_BKD).norm(dim=-1))
        add_skill("halved", halved_BK)
        add("lost_by_halving", (halved_BK - score_BK)[:, :SKILL_STEPS].sum(1), under_B)
        if structure.loop == DIRECTIONS:
            magnitude_NK1 = steps_NKD.norm(dim=-1, keepdim=True).clamp_min(1e-12)
            constant_NKD = steps_NKD / magnitude_NK1 * self.generator.magnitudes.median
            add_skill("constant", score(constant_NKD))
        if structure.magnitudes == GLOBAL:
            rows = [zlib.crc32(name.encode()) % len(self.strangers_RF) for name in names]
            strange_NKD = self.generator.steps(context_BCD, self.strangers_RF[rows], noise)
            add_skill("strangers", score(strange_NKD))
        if structure.magnitudes != JOINT:
            true_BK = log_norm(window_BTD.diff(dim=1)[:, C - 1 :])
            around_B = (true_BK - self.generator.magnitudes.centre).square().sum(1)
            error_BK = true_BK - self.generator.magnitudes.expected(features_BF)[:, None]
            add("magnitude_explained", around_B - error_BK.square().sum(1), around_B)
        measured = {"energy_score": score_BK, "energy_score_of_climate": climate_BK}
        self._add_curves(scores, whose_B, runs_SBKD, gone_SBK, truth_BKD, last_BD, measured)

    @staticmethod
    def _add_curves(
        scores: Scores,
        whose_B: np.ndarray,
        runs_SBKD: Tensor,
        gone_SBK: Tensor,
        truth_BKD: Tensor,
        last_BD: Tensor,
        measured: Mapping[str, Tensor],
    ) -> None:
        """Figures of each rollout step."""
        S, B, K, D = runs_SBKD.shape
        steps_SBKD = torch.diff(runs_SBKD, dim=2, prepend=last_BD.expand(S, B, D).unsqueeze(2))
        true_BKD = torch.diff(truth_BKD, dim=1, prepend=last_BD.unsqueeze(1))
        left_SBK = (~gone_SBK).double()  # a run that stands still has no magnitude to compare
        log_ratio_SBK = log_norm(steps_SBKD) - log_norm(true_BKD)
        counts = {"log_magnitude_ratio": left_SBK.mean(0)}
        curves: Mapping[str, Tensor] = {
            **measured,
            "runaway": 1 - left_SBK.mean(0),
            "state_error": (runs_SBKD.mean(0) - truth_BKD).norm(dim=-1),
            "cos": torch.cosine_similarity(steps_SBKD, true_BKD.expand(S, B, K, D), dim=-1).mean(0),
            "log_magnitude_ratio": (log_ratio_SBK * left_SBK).mean(0),
        }
        empty = torch.zeros(len(scores.speakers), K, dtype=torch.float64)
        rows_B = torch.from_numpy(whose_B)
        for name, values_BK in curves.items():
            counted_BK = counts.get(name, torch.ones_like(values_BK))
            for total, added_BK in ((scores.sums, values_BK), (scores.counts, counted_BK)):
                added_SK = empty.index_add(0, rows_B, added_BK.double()).numpy()
                total[name] = total.get(name, np.zeros(added_SK.shape)) + added_SK
