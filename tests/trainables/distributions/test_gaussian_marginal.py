"""The full-covariance Gaussian against scipy, and where data are too few for one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from trainables.distributions.gaussian_marginal import GaussianMarginal


def _correlated(count: int, dim: int) -> torch.Tensor:
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((dim, dim)) * np.geomspace(0.1, 5, dim)
    return torch.from_numpy(rng.standard_normal((count, dim)) @ mixing.T + 3)


def test_nll_equals_scipy_at_the_fitted_moments() -> None:
    frames = _correlated(5000, 6)
    marginal = GaussianMarginal.fit(frames)
    covariance = marginal.factor_DD @ marginal.factor_DD.T
    expected = -multivariate_normal(marginal.mean_D.numpy(), covariance.numpy()).logpdf(frames[:50].numpy())
    np.testing.assert_allclose(marginal.nll(frames[:50]).numpy(), expected, rtol=1e-10)


def test_many_frames_give_the_sample_covariance() -> None:
    frames = _correlated(20_000, 6)
    marginal = GaussianMarginal.fit(frames)
    covariance = (marginal.factor_DD @ marginal.factor_DD.T).numpy()
    sample = np.cov(frames.numpy().T, bias=True)
    np.testing.assert_allclose(covariance, sample, atol=3e-4 * np.trace(sample))
    best = -multivariate_normal(frames.mean(0).numpy(), sample).logpdf(frames.numpy()).mean()
    assert float(marginal.nll(frames).mean()) == pytest.approx(best, abs=0.01)


def test_float32_frames_are_measured_in_float64() -> None:
    frames = _correlated(3000, 4)
    marginal = GaussianMarginal.fit(frames.float())
    single = marginal.nll(frames.float())
    assert single.dtype == torch.float64
    np.testing.assert_allclose(single.numpy(), GaussianMarginal.fit(frames).nll(frames).numpy(), rtol=1e-4)


def test_fewer_frames_than_dimensions_still_make_a_density() -> None:
    rng = np.random.default_rng(1)
    frames = torch.from_numpy(rng.standard_normal((30, 64)))
    surprise = GaussianMarginal.fit(frames[:20]).nll(frames[20:])
    truth = 32 * np.log(2 * np.pi * np.e)  # the sample covariance alone is singular
    assert truth - 5 < float(surprise.mean()) < truth + 15


def test_a_dimension_that_never_moves_does_not_break_it() -> None:
    frames = _correlated(1000, 4)
    frames[:, 2] = 1.0
    assert torch.isfinite(GaussianMarginal.fit(frames).nll(frames)).all()


@pytest.mark.parametrize("frames", [torch.ones(10, 3), torch.full((10, 3), torch.nan)])
def test_frames_without_spread_are_refused(frames: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="frames that differ"):
        GaussianMarginal.fit(frames)
