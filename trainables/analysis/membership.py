"""What the past says of the cluster of the next step: a softmax regression on the frames before it.

Shapes: N steps, I numbers of the past, K clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_BATCH, _RATE, _DECAY = 1024, 1e-2, 1e-1
_AT_ONCE = 8192


@dataclass(frozen=True, kw_only=True)
class Membership:
    """A regression of the cluster on the past, and how frequent each cluster is without one."""

    mean_I: Tensor
    deviation_I: Tensor
    linear: torch.nn.Linear
    log_frequency_K: Tensor

    @classmethod
    def fit(
        cls, past_NI: np.ndarray, labels_N: np.ndarray, clusters: int, steps: int, seed: int
    ) -> Membership:
        """Fit it to training steps by so many optimiser steps."""
        past, labels = torch.from_numpy(past_NI).float(), torch.from_numpy(labels_N)
        mean_I, deviation_I = past.mean(0), past.std(0).clamp_min(1e-6)
        # One pseudo-count each, so that a cluster without a step has a probability too.
        counts_K = torch.bincount(labels, minlength=clusters) + 1.0
        log_frequency_K = (counts_K / counts_K.sum()).log()
        generator = torch.Generator().manual_seed(seed)
        linear = torch.nn.Linear(past.shape[1], clusters)
        with torch.no_grad():
            linear.weight.zero_()
            linear.bias.copy_(log_frequency_K)
        optimiser = torch.optim.AdamW(linear.parameters(), lr=_RATE, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(steps):
            rows = torch.randint(len(past), (_BATCH,), generator=generator)
            logits = linear((past[rows] - mean_I) / deviation_I)
            loss = torch.nn.functional.cross_entropy(logits, labels[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        return cls(mean_I=mean_I, deviation_I=deviation_I, linear=linear, log_frequency_K=log_frequency_K)

    @torch.no_grad()
    def information(self, past_NI: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
        """By how much the past raises the log probability of each step's cluster, nats [N]."""
        gains = []
        for first in range(0, len(labels_N), _AT_ONCE):
            block = slice(first, first + _AT_ONCE)
            past, labels = torch.from_numpy(past_NI[block]).float(), torch.from_numpy(labels_N[block])
            log_NK = self.linear((past - self.mean_I) / self.deviation_I).log_softmax(-1)
            gains.append(log_NK.gather(1, labels[:, None])[:, 0] - self.log_frequency_K[labels])
        return torch.cat(gains).double().numpy() if gains else np.empty(0)
