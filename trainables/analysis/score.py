"""A correction of rollouts by the score of single frames, or teaching by it, as something that a lane runs.

Samples of a forecaster are fed back. What is asked about (:mod:`trainables.analysis.score_runs`) is either a
correction of each frame before it is, or a predictor that was taught by a score loss as well. Beside it run,
with the same noise, its nulls. Of a correction they are the same forecaster with none, with a shrinking
towards the mean by the same distance, and with the same correction by the score of a Gaussian; of a loss, a
predictor taught as long by NLL alone. Sums and counts per speaker, over windows whose horizons tile judged
utterances:

* ``skill_gained``: by how much the energy score of the samples is below that of no correction, or of NLL
  alone, over that of climatology; steps 1 to 8 together; ``skill_over_shrinking`` and
  ``skill_over_gaussian`` likewise, of the other nulls of a correction;
* ``skill_of_`` and the name of a run: one less the energy score over climatology's, likewise;
* ``magnitude_drift_of_``: how far the mean log ratio of predicted and true steps of a window is from 0, and
  ``magnitude_loss``: by how much the correction, or the loss, makes that greater;
* ``state_error_of_``: the distance of the samples' mean from the truth at the last step, and
  ``state_error_gained``: by how much the correction, or the loss, makes it smaller;
* ``runaway_of_``: the share of runs that have run away by then, which stand still from there on, and whose
  steps are counted until then (:mod:`trainables.analysis.run_bound`).

Shapes: B windows, S samples, K rollout steps, D latent dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainables.analysis.frame_density import some_frames
from trainables.analysis.run_bound import RunBound
from trainables.analysis.score_model import MOST_FRAMES
from trainables.analysis.score_runs import BY_GAUSSIAN, SHRUNK, FreeRun, corrected_runs, taught_runs
from trainables.analysis.score_settings import LANGEVIN, SKILL_STEPS, ScoreLane, ScoreStructure
from trainables.contract import Evaluation
from trainables.distributions.law import LawNoise, log_norm
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

_CLIMATE = 64  # training frames that stand for all
_AT_ONCE = 128  # windows


def train_scores(
    structure: ScoreStructure,
    lanes: Sequence[ScoreLane],
    train: Feed,
    evaluation: Evaluation,
    context: Context,
) -> list[LaneResult]:
    """Train the forecaster of each lane, beside a score model that they share, and judge what is done with
    them, see :class:`trainables.contract.TrainPack`.

    Raises:
        InputError: no utterance is as long as a window, or frames come with no model where one is asked for.
    """
    return train_one_by_one(lanes, context, lambda lane: _lane(structure, lane, train, evaluation))


def _lane(structure: ScoreStructure, lane: ScoreLane, train: Feed, evaluation: Evaluation) -> LaneResult:
    frames_ND = some_frames(train, lane.surrogate, MOST_FRAMES).double()
    compared = taught_runs if structure.score_loss else corrected_runs
    runs, state = compared(structure, lane, train, evaluation, frames_ND)
    judged = evaluation.judged
    most = structure.most_windows(evaluation.exploring)
    share = window_share(judged.extent.lengths, structure.context, structure.horizon, most)
    judge = _Judge.of(structure, lane, runs, frames_ND, share)
    scores = merge(judge.scores(judged, shard) for shard in judged.chunks())
    if not sum(counts.sum() for counts in scores.counts.values()):
        raise InputError(
            f"horizon is {structure.horizon}, but no judged utterance has more than context and horizon "
            f"together, {structure.context + structure.horizon} frames; make it smaller"
        )
    is_finite = all(np.isfinite(values).all() for values in scores.sums.values())
    return LaneResult(
        status=LaneStatus.FINISHED if is_finite else LaneStatus.DIVERGED,
        scores=scores.to_json() if is_finite else None,
        history=[],
        parameters=sum(value.numel() for value in state.values()),
        seconds=0.0,
        state=state,
    )


@dataclass(frozen=True)
class _Judge:
    structure: ScoreStructure
    lane: ScoreLane
    runs: Mapping[str, FreeRun]
    climate_SD: Tensor
    bound: RunBound
    share: EvenShare

    @classmethod
    def of(
        cls,
        structure: ScoreStructure,
        lane: ScoreLane,
        runs: Mapping[str, FreeRun],
        frames_ND: Tensor,
        share: EvenShare,
    ) -> _Judge:
        rows = torch.from_numpy(np.random.default_rng(lane.seed).integers(len(frames_ND), size=_CLIMATE))
        return cls(structure, lane, runs, frames_ND[rows], RunBound.of(frames_ND), share)

    @torch.no_grad()
    def scores(self, feed: Feed, shard: Shard) -> Scores:
        """Of the speakers of a shard."""
        C, K = self.structure.context, self.structure.horizon
        speakers = sorted(set(shard.speakers))
        scores = Scores(speakers, feed.frame_rate, K)
        starts_B, owners_B = spread_windows(shard, C, K, self.share)
        names = window_names(shard, starts_B, owners_B)
        row = torch.tensor([feed.surrogates.index(self.lane.surrogate)])
        for first in range(0, len(starts_B), _AT_ONCE):
            block = slice(first, first + _AT_ONCE)
            frames_BTD = shard.gather(torch.from_numpy(starts_B[block])[None], C + K, row)[0].double().cpu()
            whose_B = [speakers.index(shard.speakers[u]) for u in owners_B[block]]
            self._add(scores, frames_BTD, names[block], np.array(whose_B))
        return scores

    def _add(self, scores: Scores, frames_BTD: Tensor, names: Sequence[str], whose_B: np.ndarray) -> None:
        C, K = self.structure.context, self.structure.horizon
        truth_BKD = frames_BTD[:, C:]
        S, (B, _, D) = self.structure.samples, truth_BKD.shape
        own = [f"{name}/{self.lane.seed}" for name in names]
        noise = window_noise(own, [S, K], frames_BTD).apply(lambda x: x.reshape(S * B, K, -1))
        draws = self.structure.langevin_steps if self.structure.correction == LANGEVIN else 1
        more = window_noise([f"{name}/correction" for name in own], [S, K * draws], frames_BTD)
        more_NKJD = more.normal[..., :-1].reshape(S * B, K, draws, D)
        climate_BK = energy_score_of_one(self.climate_SD, truth_BKD.flatten(0, 1)).reshape(B, K)
        under_B = climate_BK[:, :SKILL_STEPS].sum(1)
        found = {}

        def add(name: str, above_B: Tensor, below_B: Tensor | None = None) -> None:
            scores.add(name, whose_B, above_B.numpy(), None if below_B is None else below_B.numpy())

        for name, run in self.runs.items():
            last_BD = frames_BTD[:, C - 1]
            drawn_SBKD = self._drawn(run, frames_BTD[:, :C], noise, more_NKJD)
            runs_SBKD, gone_SBK = self.bound.stopped(drawn_SBKD, last_BD.expand(S, B, D))
            score_BK = energy_score(runs_SBKD.flatten(1, 2), truth_BKD.flatten(0, 1)).reshape(B, K)
            left_SBK = (~gone_SBK).double()  # a run that stands still has no magnitude to compare
            steps_SBKD = torch.diff(runs_SBKD, dim=2, prepend=last_BD.expand(S, B, D).unsqueeze(2))
            true_BKD = torch.diff(truth_BKD, dim=1, prepend=last_BD.unsqueeze(1))
            log_ratio_SBK = (log_norm(steps_SBKD) - log_norm(true_BKD)) * left_SBK
            drift_B = (log_ratio_SBK.sum((0, 2)) / left_SBK.sum((0, 2)).clamp_min(1)).abs()
            error_B = (runs_SBKD[:, :, -1].mean(0) - truth_BKD[:, -1]).norm(dim=-1)
            found[name] = score_BK[:, :SKILL_STEPS].sum(1), drift_B, error_B
            add(f"skill_of_{name}", under_B - found[name][0], under_B)
            add(f"magnitude_drift_of_{name}", drift_B)
            add(f"state_error_of_{name}", error_B)
            add(f"runaway_of_{name}", gone_SBK[..., -1].double().mean(0))
        (best, drift_B, error_B), (plain, plain_drift_B, plain_error_B), *_ = found.values()
        add("skill_gained", plain - best, under_B)
        for name, null in ((SHRUNK, "shrinking"), (BY_GAUSSIAN, "gaussian")):
            if name in found:
                add(f"skill_over_{null}", found[name][0] - best, under_B)
        add("magnitude_loss", drift_B - plain_drift_B)
        add("state_error_gained", plain_error_B - error_B)

    def _drawn(self, run: FreeRun, context_BCD: Tensor, noise: LawNoise, more_NKJD: Tensor) -> Tensor:
        """Free runs [S, B, K, D]."""
        forecaster, correct = run
        S, (B, C, D) = self.structure.samples, context_BCD.shape
        memory = forecaster.begin(context_BCD.expand(S, B, C, D).reshape(S * B, C, D))
        frames = []
        for k in range(self.structure.horizon):
            drawn_ND = forecaster.draw(memory, LawNoise(noise.normal[:, k], noise.uniform[:, k]))
            frames.append(correct(drawn_ND, more_NKJD[:, k]))
            memory = forecaster.show(memory, frames[-1])
        return torch.stack(frames, 1).reshape(S, B, -1, D)
