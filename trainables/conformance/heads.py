"""What every head keeps: shapes, a density that is one, samples that follow it, gradients, and lanes that do
not know each other.

Shapes: H hidden units, D latent dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainables.conformance.promises import Promise
from trainables.distributions.law import LawNoise
from trainables.predictor.config import Structure
from trainables.predictor.heads import Head, Survey, Whitening, build_head, survey
from trainables.predictor.heads.whitened import WhitenedHead
from trainables.predictor.lanes.stacked import Stacked

HIDDEN, STEP_DIM = 12, 6
_COMPONENTS, _DRAWS, _STRETCH = 3, 8000, 1.2
_ANGLES, _RADII = 1024, 401  # enough for a density with edges, such as a Laplace law's
PRIOR_OF_LANE = {
    name: torch.tensor(value).double()
    for name, value in (("kappa_prior", 0.1), ("kappa_prior_ratio", 1.5), ("kappa_prior_width", 0.7))
}


def normals(*shape: int, seed: int = 1) -> Tensor:
    """Standard normal numbers, the same for the same seed, float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@dataclass(frozen=True)
class HeadCase:
    """A head to examine: the settings that name it.

    Attributes:
        settings: of a :class:`Structure`, the head among them.
        maker: makes the head for so many dimensions where the structure does not; it is fitted, not trained.
    """

    settings: Mapping[str, Any]
    maker: Callable[[int], Head] | None = None

    @property
    def structure(self) -> Structure:
        """The structure with these settings, of few hidden units."""
        return Structure(**{"width": HIDDEN, "components": _COMPONENTS, **self.settings})

    def hidden(self, dim: int = STEP_DIM) -> int:
        """How many numbers the head is given of each frame."""
        return HIDDEN if self.maker is not None else self.structure.hidden_units(dim)

    def untrained(self, dim: int = STEP_DIM) -> Head:
        """The head as it is made, float64."""
        head = build_head(self.structure, dim) if self.maker is None else self.maker(dim)
        return head.double().requires_grad_()

    def moved(self, dim: int = STEP_DIM, seed: int = 0) -> Head:
        """The head as if training had moved it: nothing is zero any more."""
        torch.manual_seed(seed)
        head = self.untrained(dim)
        frames = normals(200, dim, seed=4) @ (torch.eye(dim).double() + 0.5 * normals(dim, dim, seed=5))
        head.start_from(survey(self.structure, 0.8 * normals(200, dim), frames))
        with torch.no_grad():
            for parameter in head.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
            if self.maker is not None:
                torch.as_tensor(head.factor).tril_()
        return head

    def noise(self, *shape: int) -> LawNoise:
        """What a sample of the head's law is made of, [...]."""
        uniform = torch.rand(*shape, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        further = self.structure.factors + self.structure.further_normals(STEP_DIM)
        factors = normals(*shape, further, seed=6)
        return LawNoise(torch.cat([normals(*shape, STEP_DIM + 1, seed=2), factors], -1), uniform)


def answers(head: Head, h: Tensor, delta: Tensor, *drawn: Tensor) -> dict[str, Tensor]:
    """Everything a head can be asked."""
    law, noise = head(h), LawNoise(*drawn)
    log_weights, deltas = law.branches(noise)
    replies = {name: getattr(law, name)() for name in ("mean", "mode", "direction", "log_magnitude")}
    replies |= {"sample": law.sample(noise), "log_weights": log_weights, "branches": deltas}
    replies["objective"] = head.objective(law, delta, noise)
    replies["penalty"] = head.penalty(law, {name: value.to(h) for name, value in PRIOR_OF_LANE.items()})
    return replies | ({"log_prob": law.log_prob(delta)} if head.has_density else {})


def _asked(case: HeadCase, *shape: int) -> tuple[Tensor, ...]:
    return normals(*shape, case.hidden()), normals(*shape, STEP_DIM), *case.noise(*shape)


def shapes(case: HeadCase) -> Iterator[str]:
    """Answers have the shapes of the hidden states, and are finite."""
    for shape in ((), (3,), (4, 7)):
        replies = answers(case.moved(), *_asked(case, *shape))
        expected = dict.fromkeys(("objective", "log_magnitude", "log_prob"), shape)
        expected |= dict.fromkeys(("mean", "mode", "direction", "sample"), (*shape, STEP_DIM))
        expected["branches"] = (*replies["log_weights"].shape, STEP_DIM)
        for name, value in replies.items():
            if value.shape != expected.get(name, value.shape):
                yield f"{name} has shape {tuple(value.shape)}; it must have {expected[name]}"
            if not torch.isfinite(value).all():
                yield f"{name} is not finite"
        if replies["penalty"].shape not in (shape, ()):  # a number where there is no prior
            yield f"penalty has shape {tuple(replies['penalty'].shape)}; it must have {shape} or be a number"
        if replies["log_weights"].shape[:-1] != shape:
            yield f"the log weights of branches have shape {tuple(replies['log_weights'].shape)}"


@torch.no_grad()
def branches(case: HeadCase) -> Iterator[str]:
    """Branches are the pieces of the sample, and their weights add up to 1."""
    replies = answers(case.moved(), *_asked(case, 50))
    if not torch.allclose(replies["log_weights"].exp().sum(-1), torch.ones(50).double()):
        yield "the weights of branches do not add up to 1"
    distance = (replies["branches"] - replies["sample"].unsqueeze(-2)).norm(dim=-1)
    if not float(distance.amin(-1).max()) < 1e-9:
        yield "no branch is the sample, made of the same noise"
    if not (distance.shape[-1] == 1 or float(distance.amax(-1).min()) > 1e-6):
        yield "several branches are the same"


@torch.no_grad()
def unit_direction(case: HeadCase) -> Iterator[str]:
    """The direction of a law is a unit vector."""
    length = case.moved()(normals(9, case.hidden())).direction().norm(dim=-1)
    if not torch.allclose(length, torch.ones(9).double()):
        yield f"direction has length {float(length[0]):.4g}; it must be 1"


@torch.no_grad()
def density_is_one(case: HeadCase) -> Iterator[str]:
    """The density integrates to 1."""
    if not case.moved().has_density:
        return
    law = case.moved(dim=2)(normals(case.hidden(2)))
    angle = torch.arange(_ANGLES, dtype=torch.float64) * (2 * math.pi / _ANGLES)
    log_radius = torch.linspace(-8, 4, _RADII, dtype=torch.float64)
    rays = torch.stack([angle.cos(), angle.sin()], -1)
    mass = law.log_prob(log_radius.exp()[:, None, None] * rays).exp() * (2 * log_radius).exp()[:, None]
    total = float(mass.sum()) * (2 * math.pi / _ANGLES) * (12 / (_RADII - 1))
    if not abs(total - 1) <= 1e-4:
        yield f"its density integrates to {total:.5g} over the plane (D = 2), and not to 1"


@torch.no_grad()
def samples_agree(case: HeadCase) -> Iterator[str]:
    """Samples agree with mean and magnitude."""
    head = case.moved()
    if not head.has_density:  # only a trained one has samples about its mean
        return
    law = head(normals(case.hidden()).expand(_DRAWS, case.hidden()))
    draws = law.sample(case.noise(_DRAWS))
    error = draws.std(0) / math.sqrt(_DRAWS)
    far = float(((draws.mean(0) - law.mean()[0]) / error).abs().max())
    if not far < 4.5:
        yield f"the mean of {_DRAWS} samples lies {far:.1f} standard errors from mean()"
    near = 0.15 if isinstance(head, WhitenedHead) else 0.06  # there it is taken from a few samples
    drawn, named = float(draws.norm(dim=-1).log().mean()), float(law.log_magnitude()[0])
    if not abs(drawn - named) <= near:
        yield f"samples have mean log magnitude {drawn:.3f}, and log_magnitude() is {named:.3f}"


@torch.no_grad()
def samples_follow_the_density(case: HeadCase) -> Iterator[str]:
    """Samples follow the density.

    Let T stretch steps away from their mean, with Jacobian J. For x from p, s(p(Tx) J / p(x)) and
    s(p(T'x) / J p(x)) have one mean, where T' is the inverse of T and s(r) = r / (1 + r).
    """
    head = case.moved()
    if not head.has_density:
        return
    law = head(normals(case.hidden()).expand(_DRAWS, case.hidden()))
    draws, middle = law.sample(case.noise(_DRAWS)), law.mean()
    at_draws, log_jacobian = law.log_prob(draws), STEP_DIM * math.log(_STRETCH)
    wider = law.log_prob(middle + _STRETCH * (draws - middle)) + log_jacobian
    tighter = law.log_prob(middle + (draws - middle) / _STRETCH) - log_jacobian
    difference = torch.sigmoid(wider - at_draws) - torch.sigmoid(tighter - at_draws)
    excess = float(difference.mean() / (difference.std() / math.sqrt(_DRAWS)))
    if not abs(excess) < 4.5:
        how = "wider" if excess < 0 else "tighter"
        yield f"samples lie {how} than the density says, by {abs(excess):.0f} standard errors"


@torch.no_grad()
def units(case: HeadCase) -> Iterator[str]:
    """Units of the data change nothing but units, when a head begins as a survey says."""
    if case.maker is not None:  # fitted in the data's own units
        return

    def started(typical: float) -> Head:
        torch.manual_seed(0)
        head = case.untrained()
        scale_DD = typical * torch.eye(STEP_DIM).double()
        whitening = Whitening(torch.zeros(STEP_DIM).double(), scale_DD, scale_DD.inverse())
        white = case.structure.coordinates == "whitened"
        head.start_from(Survey(1.0, whitening=whitening) if white else Survey(typical))
        return head

    small, large = (started(typical)(normals(20, case.hidden())) for typical in (0.05, 20.0))
    scaled = {name: (getattr(small, name)(), getattr(large, name)()) for name in ("mean", "mode")}
    scaled["sample"] = small.sample(case.noise(20)), large.sample(case.noise(20))
    for name, (low, high) in scaled.items():
        if not torch.allclose(400 * low, high):
            yield f"{name} of steps 400 times as long is not 400 times as long; let start_from set its scale"
    if not torch.allclose(small.log_magnitude() + math.log(400), large.log_magnitude()):
        yield "log_magnitude of steps 400 times as long is not larger by log 400"
    if not (large.log_magnitude() - math.log(20.0)).abs().max() < 1.5:
        yield "it begins far from the data's typical step, which start_from is told"


def gradients(case: HeadCase) -> Iterator[str]:
    """Gradients reach every parameter, and are finite."""
    head = case.moved()
    replies = answers(head, *_asked(case, 4, 7))
    (replies["objective"].mean() + replies["penalty"].mean() + replies["mean"].square().mean()).backward()
    for name, parameter in head.named_parameters():
        if parameter.grad is None or not float(parameter.grad.abs().sum()) > 0:
            yield f"no gradient reaches the parameter {name}"
        elif not torch.isfinite(parameter.grad).all():
            yield f"the gradient of the parameter {name} is not finite"


def differentiable_samples(case: HeadCase) -> Iterator[str]:
    """Samples are a differentiable function of their noise, and of nothing else."""
    head = case.moved()
    h, (normal, uniform) = normals(5, case.hidden()).requires_grad_(), case.noise(5)
    normal.requires_grad_()
    delta = head(h).sample(LawNoise(normal, uniform))
    if not torch.equal(delta, head(h).sample(case.noise(5))):
        yield "two samples made of the same noise differ"
    # Cubes tell directions apart, where the length alone need not depend on h.
    of_h, of_noise = torch.autograd.grad(delta.pow(3).sum(), (h, normal))
    if not (of_h.isfinite().all() and (of_h.abs().sum(-1) > 1e-9).all()):
        yield "samples do not depend on the hidden state, or not smoothly"
    step = 1e-6 * normals(*normal.shape, seed=5)
    with torch.no_grad():
        noises = [LawNoise(normal + way * step, uniform) for way in (-1, 1)]
        ends = [head(h).sample(noise).pow(3).sum().item() for noise in noises]
    expected = 2 * (of_noise * step).sum().item()
    if not abs(ends[1] - ends[0] - expected) <= max(1e-3 * abs(expected), 1e-12):
        yield "the gradient of samples is not how they change"


def float32(case: HeadCase) -> Iterator[str]:
    """Answers in float32 agree with those in float64."""
    head, arguments = case.moved(), _asked(case, 4, 7)
    exact = answers(head, *arguments)
    rough = answers(head.float(), *(x.float() for x in arguments))
    for name, value in exact.items():
        if rough[name].dtype != torch.float32:
            yield f"{name} of float32 is {rough[name].dtype}"
        elif not torch.allclose(value, rough[name].double(), rtol=1e-4, atol=1e-3):
            yield f"{name} in float32 is not what it is in float64"


def pack_is_solo(case: HeadCase) -> Iterator[str]:
    """Stacked lanes answer, and learn, like each alone."""
    heads = [case.moved(seed=seed) for seed in range(3)]
    arguments = _asked(case, 3, 5)
    stacked = Stacked(heads)
    together = stacked.map(answers, *arguments)
    stacked.map(lambda head, *own: _loss(answers(head, *own)), *arguments).sum().backward()
    for lane, head in enumerate(heads):
        alone = answers(head, *(x[lane] for x in arguments))
        for name, value in alone.items():
            if not torch.allclose(together[name][lane], value, atol=1e-9):
                yield f"{name} of a lane among others is not what it is alone"
        _loss(alone).backward()
        for name, parameter in head.named_parameters():
            gradient = stacked.weights[name.replace(".", "/")].grad[lane]
            if parameter.grad is None or not torch.allclose(gradient, parameter.grad, atol=1e-8):
                yield f"the gradient of {name} in a lane among others is not what it is alone"


def _loss(replies: Mapping[str, Tensor]) -> Tensor:
    parts = [replies[name].square().mean() for name in ("objective", "penalty", "mean", "sample", "branches")]
    return torch.stack(parts).sum()


def state(case: HeadCase) -> Iterator[str]:
    """A saved state, loaded into another head, gives the same answers."""
    saved, other = case.moved(), case.untrained()
    other.load_state_dict(saved.state_dict())
    arguments = _asked(case, 5)
    for name, value in answers(saved, *arguments).items():
        if not torch.equal(answers(other, *arguments)[name], value):
            yield f"{name} is another once the state was saved and loaded; keep what it depends on in buffers"


def extremes(case: HeadCase) -> Iterator[str]:
    """Extreme hidden states, and frames that do not move, leave everything finite."""
    for size in (1e4, -1e4, 0.0):
        for dtype in (torch.float32, torch.float64):
            still = torch.zeros(2, STEP_DIM, dtype=dtype)  # a frame that does not move
            h = torch.full((2, case.hidden()), size, dtype=dtype, requires_grad=True)
            uniform = torch.tensor([[0.0, 1e-12], [1.0, 1.0]], dtype=dtype)  # float32 rounds up to 1
            replies = answers(case.moved().to(dtype), h, still, case.noise(2)[0].to(dtype), uniform)
            where = f"for hidden states of {size:g} in {dtype}"
            for name, value in replies.items():
                if name != "log_weights" and not torch.isfinite(value).all():
                    yield f"{name} is not finite {where}"
            torch.stack([value.clamp(-1e6, 1e6).sum() for value in replies.values()]).sum().backward()
            if h.grad is None or not torch.isfinite(h.grad).all():
                yield f"the gradient is not finite {where}"


HEAD_PROMISES: tuple[Promise, ...] = (
    shapes,
    branches,
    unit_direction,
    density_is_one,
    samples_agree,
    samples_follow_the_density,
    units,
    gradients,
    differentiable_samples,
    float32,
    pack_is_solo,
    state,
    extremes,
)
