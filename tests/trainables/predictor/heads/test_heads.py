"""One conformance suite for every head and option; what only some heads promise comes after it."""

import math

import pytest
import torch
from torch import Tensor

from trainables.distributions.law import LawNoise
from trainables.distributions.polar import MAGNITUDE_FLOOR
from trainables.errors import InputError
from trainables.predictor import config
from trainables.predictor.config import COUPLINGS, COVARIANCES, GAUSSIANS, HEADS, KAPPA_PRIORS, Structure
from trainables.predictor.heads import Head, Survey, Whitening, build_head, survey
from trainables.predictor.heads.base import bounded
from trainables.predictor.heads.polar import PolarHead
from trainables.predictor.heads.whitened import WhitenedHead
from trainables.predictor.lanes.stacked import Stacked
from trainables.predictor.model.closed_form import LinearGaussianHead

WIDTH, DIM, COMPONENTS = 12, 6, 3
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
CASES = [{"head": head, **option, **RAW} for head in HEADS for option in OPTIONS.get(head, [{}])] + [FITTED]
CASES += [{"head": head, "coordinates": "whitened"} for head in HEADS]
CASES += [{"head": head, "covariance": "low_rank", "coordinates": "whitened"} for head in GAUSSIANS]
LANE = {
    name: torch.tensor(value).double()
    for name, value in (("kappa_prior", 0.1), ("kappa_prior_ratio", 1.5), ("kappa_prior_width", 0.7))
}


def normals(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def noise(case: dict, *shape: int) -> LawNoise:
    """What a sample of the head's law is made of, [...]."""
    uniform = torch.rand(*shape, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    structure = Structure(**case)
    factors = normals(*shape, structure.factors + structure.further_normals(DIM), seed=6)
    return LawNoise(torch.cat([normals(*shape, DIM + 1, seed=2), factors], -1), uniform)


def untrained(case: dict, dim: int = DIM) -> Head:
    structure = Structure(width=WIDTH, components=COMPONENTS, **case)
    head = LinearGaussianHead(WIDTH, dim) if case == FITTED else build_head(structure, dim)
    return head.double().requires_grad_()


def build(case: dict, dim: int = DIM, seed: int = 0) -> Head:
    """A head as if training had moved it: nothing is zero any more."""
    torch.manual_seed(seed)
    head = untrained(case, dim)
    frames = normals(200, dim, seed=4) @ (torch.eye(dim).double() + 0.5 * normals(dim, dim, seed=5))
    head.start_from(survey(Structure(components=COMPONENTS, **case), 0.8 * normals(200, dim), frames))
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        if case == FITTED:
            head.factor.tril_()
    return head


def _spelt(case: dict) -> str:
    return "-".join(map(str, case.values()))


@pytest.fixture(params=CASES, ids=_spelt)
def case(request: pytest.FixtureRequest) -> dict:
    return request.param


@pytest.fixture
def head(case: dict) -> Head:
    return build(case)


@pytest.fixture
def dense(head: Head) -> Head:
    if not head.has_density:
        pytest.skip("has no density, and only a trained one has samples about its mean")
    return head


def answers(head: Head, h: Tensor, delta: Tensor, *drawn: Tensor) -> dict[str, Tensor]:
    """Everything a head can be asked."""
    law, noise = head(h), LawNoise(*drawn)
    log_weights, deltas = law.branches(noise)
    said = {name: getattr(law, name)() for name in ("mean", "mode", "direction", "log_magnitude")}
    said |= {"sample": law.sample(noise), "log_weights": log_weights, "branches": deltas}
    said["objective"] = head.objective(law, delta, noise)
    said["penalty"] = head.penalty(law, {name: value.to(h) for name, value in LANE.items()})
    return said | ({"log_prob": law.log_prob(delta)} if head.has_density else {})


@pytest.mark.parametrize("shape", [(), (3,), (4, 7)])
def test_answers_have_the_shapes_of_the_hidden_states(case: dict, head: Head, shape: tuple[int, ...]) -> None:
    said = answers(head, normals(*shape, WIDTH), normals(*shape, DIM), *noise(case, *shape))
    for name in ("objective", "log_magnitude", "log_prob"):
        assert name not in said or said[name].shape == shape, name
    assert said["penalty"].shape in (shape, ())  # a number where there is no prior
    for name in ("mean", "mode", "direction", "sample"):
        assert said[name].shape == (*shape, DIM), name
    assert said["branches"].shape == (*said["log_weights"].shape, DIM)
    assert said["log_weights"].shape[:-1] == shape
    assert all(torch.isfinite(value).all() for value in said.values())


@torch.no_grad()
def test_branches_are_the_pieces_of_the_sample(case: dict, head: Head) -> None:
    said = answers(head, normals(50, WIDTH), normals(50, DIM), *noise(case, 50))
    assert torch.allclose(said["log_weights"].exp().sum(-1), torch.ones(50).double())
    distance = (said["branches"] - said["sample"].unsqueeze(-2)).norm(dim=-1)
    assert float(distance.amin(-1).max()) < 1e-9
    assert distance.shape[-1] == 1 or float(distance.amax(-1).min()) > 1e-6


@torch.no_grad()
def test_direction_is_a_unit_vector(head: Head) -> None:
    assert torch.allclose(head(normals(9, WIDTH)).direction().norm(dim=-1), torch.ones(9).double())


@torch.no_grad()
def test_density_integrates_to_one(case: dict, dense: Head) -> None:
    law = build(case, dim=2)(normals(WIDTH))
    angle = torch.arange(256, dtype=torch.float64) * (2 * math.pi / 256)
    log_radius = torch.linspace(-8, 4, 601, dtype=torch.float64)
    rays = torch.stack([angle.cos(), angle.sin()], -1)
    mass = law.log_prob(log_radius.exp()[:, None, None] * rays).exp() * (2 * log_radius).exp()[:, None]
    assert float(mass.sum()) * (2 * math.pi / 256) * (12 / 600) == pytest.approx(1, abs=1e-4)


@torch.no_grad()
def test_mean_magnitude_and_samples_agree(case: dict, dense: Head) -> None:
    law = dense(normals(WIDTH).expand(8000, WIDTH))
    draws = law.sample(noise(case, 8000))
    error = draws.std(0) / math.sqrt(8000)
    assert float(((draws.mean(0) - law.mean()[0]) / error).abs().max()) < 4.5
    near = 0.15 if isinstance(dense, WhitenedHead) else 0.06  # there it is taken from a few samples
    assert float(draws.norm(dim=-1).log().mean()) == pytest.approx(float(law.log_magnitude()[0]), abs=near)


@torch.no_grad()
def test_units_of_the_data_change_nothing_but_units(case: dict) -> None:
    if case == FITTED:
        pytest.skip("is fitted in the data's own units")

    def started(typical: float) -> Head:
        torch.manual_seed(0)
        head = untrained(case)
        scale_DD = typical * torch.eye(DIM).double()
        whitening = Whitening(torch.zeros(DIM).double(), scale_DD, scale_DD.inverse())
        white = case["coordinates"] == "whitened"
        head.start_from(Survey(1.0, whitening=whitening) if white else Survey(typical))
        return head

    small, large = (started(typical)(normals(20, WIDTH)) for typical in (0.05, 20.0))
    for name in ("mean", "mode"):
        assert torch.allclose(400 * getattr(small, name)(), getattr(large, name)()), name
    assert torch.allclose(400 * small.sample(noise(case, 20)), large.sample(noise(case, 20)))
    assert torch.allclose(small.log_magnitude() + math.log(400), large.log_magnitude())
    assert (large.log_magnitude() - math.log(20.0)).abs().max() < 1.5


def test_gradients_reach_every_parameter(case: dict, head: Head) -> None:
    said = answers(head, normals(4, 7, WIDTH), normals(4, 7, DIM), *noise(case, 4, 7))
    (said["objective"].mean() + said["penalty"].mean() + said["mean"].square().mean()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and float(parameter.grad.abs().sum()) > 0, name


def test_samples_are_a_differentiable_function_of_their_noise(case: dict, head: Head) -> None:
    h, (normal, uniform) = normals(5, WIDTH).requires_grad_(), noise(case, 5)
    normal.requires_grad_()
    delta = head(h).sample(LawNoise(normal, uniform))
    assert torch.equal(delta, head(h).sample(noise(case, 5)))
    # Cubes tell directions apart, where the length alone need not depend on h.
    of_h, of_noise = torch.autograd.grad(delta.pow(3).sum(), (h, normal))
    assert of_h.isfinite().all() and (of_h.abs().sum(-1) > 1e-9).all()
    step = 1e-6 * normals(*normal.shape, seed=5)
    with torch.no_grad():
        moved = [LawNoise(normal + way * step, uniform) for way in (-1, 1)]
        ends = [head(h).sample(own).pow(3).sum().item() for own in moved]
    assert ends[1] - ends[0] == pytest.approx(2 * (of_noise * step).sum().item(), rel=1e-3)


def test_float32_agrees_with_float64(case: dict, head: Head) -> None:
    arguments = normals(4, 7, WIDTH), normals(4, 7, DIM), *noise(case, 4, 7)
    exact = answers(head, *arguments)
    rough = answers(head.float(), *(x.float() for x in arguments))
    for name, value in exact.items():
        assert rough[name].dtype == torch.float32
        assert torch.allclose(value, rough[name].double(), rtol=1e-4, atol=1e-3), name


def test_stacked_lanes_answer_like_each_alone(case: dict) -> None:
    heads = [build(case, seed=seed) for seed in range(3)]
    arguments = normals(3, 5, WIDTH), normals(3, 5, DIM), *noise(case, 3, 5)
    together = Stacked(heads).map(answers, *arguments)
    for lane, head in enumerate(heads):
        for name, value in answers(head, *(x[lane] for x in arguments)).items():
            assert torch.allclose(together[name][lane], value, atol=1e-9), name


def test_gradients_of_stacked_lanes_are_those_of_each_alone(case: dict) -> None:
    heads = [build(case, seed=seed) for seed in range(2)]
    arguments = normals(2, 5, WIDTH), normals(2, 5, DIM), *noise(case, 2, 5)
    stacked = Stacked(heads)
    loss = stacked.map(lambda head, *own: sum(_loss(answers(head, *own))), *arguments)
    loss.sum().backward()
    for lane, head in enumerate(heads):
        sum(_loss(answers(head, *(x[lane] for x in arguments)))).backward()
        for name, parameter in head.named_parameters():
            seen = stacked.weights[name.replace(".", "/")].grad[lane]
            assert torch.allclose(seen, parameter.grad, atol=1e-8), name


def _loss(said: dict[str, Tensor]) -> list[Tensor]:
    return [said[name].square().mean() for name in ("objective", "penalty", "mean", "sample", "branches")]


def test_state_survives_saving(case: dict) -> None:
    saved, other = (
        build(case),
        untrained(case),
    )
    other.load_state_dict(saved.state_dict())
    arguments = normals(5, WIDTH), normals(5, DIM), *noise(case, 5)
    for name, value in answers(saved, *arguments).items():
        assert torch.equal(answers(other, *arguments)[name], value), name


@pytest.mark.parametrize("size", [1e4, -1e4, 0.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extremes_stay_finite(case: dict, head: Head, size: float, dtype: torch.dtype) -> None:
    still = torch.zeros(2, DIM, dtype=dtype)  # a frame that does not move
    h = torch.full((2, WIDTH), size, dtype=dtype, requires_grad=True)
    uniform = torch.tensor([[0.0, 1e-12], [1.0, 1.0]], dtype=dtype)  # float32 rounds up to 1
    said = answers(head.to(dtype), h, still, noise(case, 2)[0].to(dtype), uniform)
    for name, value in said.items():
        assert name == "log_weights" or torch.isfinite(value).all(), name
    torch.stack([value.clamp(-1e6, 1e6).sum() for value in said.values()]).sum().backward()
    assert torch.isfinite(h.grad).all()


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
    lane = dict(LANE, kappa_prior_ratio=torch.tensor(30.0).double())
    assert (torch.autograd.grad(head.penalty(law, lane).sum(), law.kappa)[0] < 0).all()
    law = head(normals(5, WIDTH))
    lane = dict(LANE, kappa_prior_ratio=torch.tensor(1e-3).double())
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
