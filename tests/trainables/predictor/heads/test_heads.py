"""One conformance suite for every head and option; what only some heads promise comes after it."""

import math

import pytest
import torch
from torch import Tensor

from trainables.conformance.heads import HEAD_PROMISES, HIDDEN, PRIOR_OF_LANE, STEP_DIM, HeadCase, normals
from trainables.conformance.promises import Promise
from trainables.distributions.law import LawNoise
from trainables.distributions.polar import MAGNITUDE_FLOOR
from trainables.errors import InputError
from trainables.predictor import config
from trainables.predictor.config import COUPLINGS, COVARIANCES, GAUSSIANS, HEADS, KAPPA_PRIORS, Structure
from trainables.predictor.heads import Head, Survey, build_head, survey
from trainables.predictor.heads.base import bounded
from trainables.predictor.heads.polar import PolarHead
from trainables.predictor.model.closed_form import LinearGaussianHead

WIDTH, DIM, COMPONENTS = HIDDEN, STEP_DIM, 3
OPTIONS = {
    "mdn": [{"covariance": value} for value in COVARIANCES],
    "gaussian": [{"covariance": value} for value in COVARIANCES],
    "vmf": [
        {"coupling": coupling, "kappa_prior_family": prior}
        for coupling, prior in zip(COUPLINGS, KAPPA_PRIORS, strict=True)
    ]
    + [{"jacobian": False}, {"magnitude": "marginal"}, {"magnitude": "marginal", "coupling": COUPLINGS[1]}],
    "movmf": [{}, {"magnitude": "marginal"}],
    "direction_codebook": [{}, {"jacobian": False, "magnitude": "marginal"}],
    "flow_matching": [{}, {"draws": 4, "noise_law": "logit_normal", "solver_steps": 16}],
    "mean_flow": [{}, {"draws": 8, "noise_law": "uniform", "solver_steps": 1}],
    "energy": [{}, {"draws": 4}],
}
FITTED = {"head": "linear"}  # and the other baselines, which have the same head
RAW = {"coordinates": "raw"}
CASES = [
    {"head": head, **option, **RAW}
    for head in HEADS
    if head not in config.ON_STATES
    for option in OPTIONS.get(head, [{}])
] + [FITTED]
CASES += [{"head": head, "coordinates": "whitened"} for head in HEADS]
CASES += [{"head": head, "covariance": "low_rank", "coordinates": "whitened"} for head in GAUSSIANS]


def case_of(case: dict) -> HeadCase:
    fitted = (lambda dim: LinearGaussianHead(WIDTH, dim)) if case == FITTED else None
    return HeadCase({"components": COMPONENTS, **case}, fitted)


def noise(case: dict, *shape: int) -> LawNoise:
    return case_of(case).noise(*shape)


def untrained(case: dict, dim: int = DIM) -> Head:
    return case_of(case).untrained(dim)


def build(case: dict, dim: int = DIM) -> Head:
    return case_of(case).moved(dim)


def _spelt(case: dict) -> str:
    return "-".join(map(str, case.values()))


@pytest.mark.parametrize("promise", HEAD_PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("case", CASES, ids=_spelt)
def test_every_head_keeps_its_promises(case: dict, promise: Promise) -> None:
    assert list(promise(case_of(case))) == []


POLAR = [case for case in CASES if isinstance(build(case), PolarHead)]


def test_the_heads_that_are_called_polar_are_those_of_polar_form() -> None:
    assert {case["head"] for case in POLAR} == set(config.POLAR)


@torch.no_grad()
@pytest.mark.parametrize("name", config.POLAR)
def test_the_jacobian_is_left_out_of_the_objective_alone(name: str) -> None:
    whole, bare = (build({"head": name, "jacobian": jacobian, **RAW}) for jacobian in (True, False))
    h, delta = normals(50, WIDTH), 3 * normals(50, DIM)
    nll, objective = (head.objective(head(h), delta, noise({"head": name}, 50)) for head in (whole, bare))
    assert torch.equal(nll, -whole(h).log_prob(delta))
    assert torch.allclose(nll - objective, (DIM - 1) * delta.norm(dim=-1).log(), atol=1e-12)
    assert torch.equal(bare(h).log_prob(delta), whole(h).log_prob(delta))  # what evaluation asks for
    still = torch.zeros(50, DIM).double()  # the density's floor under |delta| is the objective's
    floored = bare.objective(bare(h), still, noise({"head": name}, 50)) + bare(h).log_prob(still)
    assert torch.allclose(floored, torch.tensor(-(DIM - 1) * math.log(MAGNITUDE_FLOOR)).double())


@torch.no_grad()
@pytest.mark.parametrize("name", config.POLAR)
def test_a_marginal_magnitude_knows_nothing_of_the_context(name: str) -> None:
    h = normals(50, WIDTH)
    for magnitude, same in (("marginal", True), ("context", False)):
        head = build({"head": name, "magnitude": magnitude, **RAW})
        law = head(h)
        for value in (law.location, law.scale):
            assert value.shape == (50,) and torch.equal(value, value[:1].expand(50)) is same
        assert float(law.direction().std(0).min()) > 1e-3  # which the context still moves


@torch.no_grad()
@pytest.mark.parametrize("name", config.POLAR)
def test_without_its_context_a_magnitude_changes_nothing_else_at_the_start(name: str) -> None:
    laws = []
    for magnitude in config.MAGNITUDES:
        torch.manual_seed(0)
        laws.append(untrained({"head": name, "magnitude": magnitude, **RAW})(normals(9, WIDTH)))
    for answer in ("direction", "mean", "log_magnitude"):
        assert torch.equal(*(getattr(law, answer)() for law in laws)), answer


@pytest.mark.parametrize("case", POLAR, ids=_spelt)
@pytest.mark.parametrize("family", KAPPA_PRIORS)
def test_kappa_prior_pulls_towards_its_ratio(case: dict, family: str) -> None:
    head = build({**case, "kappa_prior_family": family}, dim=64)
    law = head(normals(5, WIDTH))
    lane = dict(PRIOR_OF_LANE, kappa_prior_ratio=torch.tensor(30.0).double())
    assert (torch.autograd.grad(head.penalty(law, lane).sum(), law.kappa)[0] < 0).all()
    law = head(normals(5, WIDTH))
    lane = dict(PRIOR_OF_LANE, kappa_prior_ratio=torch.tensor(1e-3).double())
    assert (torch.autograd.grad(head.penalty(law, lane).sum(), law.kappa)[0] > 0).all()
    assert head.penalty(law, dict(lane, kappa_prior=torch.tensor(0.0))).count_nonzero() == 0


@torch.no_grad()
def test_codebooks_mode_is_its_most_probable_code() -> None:
    head = build({"head": "direction_codebook", **RAW})
    law, best = head(normals(9, WIDTH)), head.weights(normals(9, WIDTH)).argmax(-1)
    assert torch.allclose(law.mode(), law.location.exp().unsqueeze(-1) * head.codes_KD[best])


@torch.no_grad()
def test_prototypes_predict_their_weighted_directions() -> None:
    head = build({"head": "prototypes", **RAW})
    h = normals(9, WIDTH)
    cosines = torch.nn.functional.cosine_similarity(head.query(h).unsqueeze(-2), head.keys_KH, dim=-1)
    weights = torch.softmax(bounded(head.log_sharpness, 6.0).exp() * cosines, -1)
    sums = (weights.unsqueeze(-1) * head.directions_KD).sum(-2)
    cosine = torch.nn.functional.cosine_similarity(head(h).direction(), sums, dim=-1)
    assert torch.allclose(cosine, torch.ones(9).double())


@pytest.mark.parametrize("head", ["prototypes", "direction_codebook"])
def test_codes_find_the_directions_of_the_data(head: str) -> None:

    def look(steps: Tensor) -> Survey:
        return survey(Structure(head=head, components=3, **RAW), steps, steps)

    centres = torch.linalg.qr(normals(DIM, DIM))[0][:3]
    steps = (centres.repeat(40, 1) + 0.05 * normals(120, DIM)) * normals(120, 1, seed=4).exp()
    codes = look(torch.cat([steps, torch.zeros(50, DIM).double()])).codes_KD
    assert codes.dtype == torch.float64 and torch.allclose(codes.norm(dim=-1), torch.ones(3).double())
    assert ((centres @ codes.T).amax(-1) > 0.99).all()
    assert torch.equal(codes, look(steps).codes_KD)
    started = build_head(Structure(head=head, components=3, width=WIDTH, **RAW), DIM)
    started.start_from(look(steps))
    name = "codes_KD" if head == "direction_codebook" else "directions_KD"
    assert torch.equal(started.state_dict()[name], codes.float())


def test_codes_need_as_many_moving_steps() -> None:
    steps = torch.cat([normals(9, DIM), torch.zeros(50, DIM).double()])
    with pytest.raises(InputError, match="components is 10, but only 9 training steps move"):
        survey(Structure(head="direction_codebook", components=10), steps, steps)


def test_only_heads_that_ask_are_given_codes() -> None:
    assert survey(Structure(head="mdn"), normals(9, DIM), normals(9, DIM)).codes_KD is None
