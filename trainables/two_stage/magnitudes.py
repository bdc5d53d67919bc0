"""The second stage: magnitudes of all steps of a run at once, given nothing of its directions.

Shapes: N frames or runs, K rollout steps, F features, B windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainables.two_stage.heard_so_far import LongPaths, split_steps
from trainables.two_stage.settings import GLOBAL, TwoStageStructure

_MOST_WINDOWS = 4000  # that a regression is fitted to
_QUANTILES = 1001
_PENALTY = 1e-2  # of the regression, as a share of each standardised feature's variance


@dataclass(frozen=True)
class StepMagnitudes:
    """Log magnitudes: a regression on features of what was heard so far, and an empirical remainder.

    Without features it is the empirical law of all training steps.

    Attributes:
        mean_F, scale_F: of the features.
        weight_F: of the standardised features; 0 of the empirical law.
        centre: the mean log magnitude.
        quantiles: of the remainder, evenly spaced from the least to the greatest.
    """

    mean_F: Tensor
    scale_F: Tensor
    weight_F: Tensor
    centre: float
    quantiles: Tensor

    @classmethod
    def fit(cls, structure: TwoStageStructure, paths: LongPaths, seed: int) -> StepMagnitudes:
        """By the steps that follow the context in windows of training utterances."""
        starts_B = paths.drawn(_MOST_WINDOWS, torch.Generator().manual_seed(seed))
        context = structure.context
        _, log_m_BT = split_steps(paths.windows(starts_B).double())
        log_m_BK = log_m_BT[:, context - 1 :]
        features_BF = paths.features_NF[starts_B + context - 1].double()
        mean_F, scale_F = features_BF.mean(0), features_BF.std(0).clamp_min(1e-6)
        centre = float(log_m_BK.mean())
        x_BF = (features_BF - mean_F) / scale_F
        weight_F = torch.zeros_like(mean_F)
        if structure.magnitudes == GLOBAL:
            gram_FF = x_BF.T @ x_BF / len(x_BF) + _PENALTY * torch.eye(len(weight_F)).double()
            weight_F = torch.linalg.solve(gram_FF, x_BF.T @ (log_m_BK.mean(1) - centre) / len(x_BF))
        rest = (log_m_BK - centre - (x_BF @ weight_F)[:, None]).flatten()
        # Evenly spaced order statistics: torch.quantile takes no more than 16 million numbers.
        at = torch.linspace(0, len(rest) - 1, _QUANTILES).round().long()
        return cls(mean_F, scale_F, weight_F, centre, rest.sort().values[at])

    def expected(self, features_BF: Tensor) -> Tensor:
        """The mean log magnitude [B], given features [B, F]."""
        return self.centre + ((features_BF.double() - self.mean_F) / self.scale_F) @ self.weight_F

    def draw(self, features_NF: Tensor, normal_NK: Tensor) -> Tensor:
        """Magnitudes [N, K] by standard normal noise, of which more means longer."""
        share = torch.special.ndtr(normal_NK.double()) * (_QUANTILES - 1)
        below = share.floor().long().clamp_max(_QUANTILES - 2)
        part = share - below
        rest = (1 - part) * self.quantiles[below] + part * self.quantiles[below + 1]
        return (self.expected(features_NF)[:, None] + rest).exp()

    @property
    def median(self) -> float:
        """The median magnitude of training steps, without features."""
        return float((self.centre + self.quantiles[_QUANTILES // 2]).exp())
