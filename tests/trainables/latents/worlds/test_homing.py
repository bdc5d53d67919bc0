"""Steps of `homing` follow the law that they claim, and frames have settled into theirs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from trainables.latents.worlds.catalogue import WORLDS


def test_steps_lead_home_to_the_cosine_and_magnitudes_know_nothing() -> None:
    world = WORLDS["homing"]
    z = world.simulate(150, 60, np.random.default_rng(1))
    steps, start = np.diff(z, axis=1).reshape(-1, 8), z[:, :-1].reshape(-1, 8)
    size, away = np.linalg.norm(steps, axis=1), np.linalg.norm(start, axis=1)
    cosines = -(steps * start).sum(1) / size / away
    assert cosines.mean() == pytest.approx(0.7, abs=0.01)
    assert stats.kstest(np.log(size) / 0.3, "norm").pvalue > 1e-3
    for known in (away, cosines):
        assert abs(np.corrcoef(np.log(size), known)[0, 1]) < 0.04
    early, late = (np.linalg.norm(z[:, part], axis=-1).mean() for part in (slice(20), slice(40, 60)))
    assert early == pytest.approx(late, rel=0.03)
