"""Which component made a step: Bayes' rule on the components' own densities."""

from __future__ import annotations

import torch

from trainables.distributions.mixture import DirectionMixture, GaussianMixture, PolarMixture
from trainables.distributions.von_mises_fisher import VonMisesFisher


def _weights() -> torch.Tensor:
    return torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log()


def test_of_a_gaussian_mixture_they_follow_from_the_densities() -> None:
    torch.manual_seed(0)
    means, log_scales = torch.randn(2, 3, 4).double(), 0.3 * torch.randn(2, 3, 1).double()
    mixture = GaussianMixture(_weights().expand(2, 3), means, log_scales)
    delta = torch.randn(2, 4).double()
    normal = torch.distributions.Normal(means, log_scales.exp())
    joint = _weights() + normal.log_prob(delta.unsqueeze(1)).sum(-1)
    torch.testing.assert_close(mixture.responsibilities(delta), joint.softmax(-1))
    torch.testing.assert_close(mixture.log_prob(delta), joint.logsumexp(-1))


def test_of_a_polar_mixture_the_magnitude_says_nothing() -> None:
    torch.manual_seed(0)
    mus = torch.nn.functional.normalize(torch.randn(3, 5).double(), dim=-1)
    kappa = torch.tensor([2.0, 20.0, 60.0], dtype=torch.float64)
    law = PolarMixture(DirectionMixture(_weights(), mus, kappa), torch.zeros(1), torch.ones(1))
    x = torch.nn.functional.normalize(torch.randn(7, 5).double(), dim=-1)
    pieces = [VonMisesFisher(mus[k], kappa[k]).log_prob(x) for k in range(3)]
    joint = _weights() + torch.stack(pieces, -1)
    torch.testing.assert_close(law.responsibilities(3 * x), joint.softmax(-1))
    torch.testing.assert_close(law.responsibilities(0.01 * x), law.responsibilities(3 * x))
    torch.testing.assert_close(law.direction_law.log_prob(x), joint.logsumexp(-1))
