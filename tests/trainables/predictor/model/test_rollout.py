"""Every way of training a rollout is what its name says, on a predictor small enough to check by hand."""

import re
from dataclasses import replace

import pytest
import torch

from trainables.distributions.law import LawNoise
from trainables.errors import InputError
from trainables.predictor.config import Lane, Structure
from trainables.predictor.evaluation.proper_scores import energy_score
from trainables.predictor.heads import Survey
from trainables.predictor.model.losses import WindowNoise, as_read, rollout_loss, teacher_loss
from trainables.predictor.model.predictor import Predictor
from trainables.predictor.model.rollout import Injection, Start, free_run

DIM, BATCH, CONTEXT, STEPS = 3, 4, 5, 4
FRAMES = CONTEXT + STEPS
LANE = {
    name: torch.tensor(value).double()
    for name, value in (
        ("kappa_prior", 0.0),
        ("kappa_prior_ratio", 1.0),
        ("kappa_prior_width", 1.0),
        ("sampling_share", 0.0),
    )
}
LAST = torch.tensor(1.0).double()  # progress at the end of a phase: the free run has half of the loss


def structure(**settings: object) -> Structure:
    defaults = {"head": "mdn", "backbone": "mlp", "width": 16, "context": CONTEXT, "rollout": STEPS}
    return Structure(**{**defaults, "components": 3, "dtype": "float64", **settings})


def predictor(structure: Structure) -> Predictor:
    torch.manual_seed(0)
    made = Predictor(structure, DIM)
    made.head.start_from(Survey(1.0))
    return made.double()


def window() -> torch.Tensor:
    return torch.randn(BATCH, FRAMES, DIM, generator=torch.Generator().manual_seed(1)).double()


def noise(inputs: float = 0.0, frames: int = FRAMES) -> WindowNoise:
    generator = torch.Generator().manual_seed(2)
    replaced = torch.rand(BATCH, frames, generator=generator).double()
    normal = torch.randn(BATCH, frames, DIM + 1, generator=generator).double()
    uniform = torch.rand(BATCH, frames, 2, generator=generator).double()
    added = inputs * torch.randn(BATCH, frames, DIM, generator=generator).double()
    return WindowNoise(replaced, LawNoise(normal, uniform), added, torch.ones(len(replaced), 1))


def gradients(model: Predictor, loss: torch.Tensor) -> torch.Tensor:
    grads = torch.autograd.grad(loss, list(model.parameters()))
    return torch.cat([g.flatten() for g in grads])


def test_a_stopped_gradient_is_that_of_states_given_as_data() -> None:
    config = structure(rollout_gradient="stopped")
    model, frames = predictor(config), window()
    with torch.no_grad():
        h, state = model.backbone.read(frames[:, :CONTEXT])
        last = frames[:, CONTEXT - 1]
        _, deltas = free_run(model, Start(h[:, -1], state, last), STEPS, "mean", noise().at(0, STEPS))
        stands = torch.cat([last.unsqueeze(1), last.unsqueeze(1) + deltas[:, :-1].cumsum(1)], 1)
    hidden = model.backbone.read(torch.cat([frames[:, : CONTEXT - 1], stands], 1))[0][:, CONTEXT - 1 :]
    true = frames[:, 1:] - frames[:, :-1]
    free = -model.head(hidden).log_prob(true[:, CONTEXT - 1 :]).mean()
    forced = -model.head(model.backbone.read(frames[:, :-1])[0]).log_prob(true).mean()
    loss = rollout_loss(model, frames, noise(), config, LANE, LAST)
    by_hand = 0.5 * forced + 0.5 * free
    assert loss.item() == pytest.approx(by_hand.item(), abs=1e-12)
    assert torch.allclose(gradients(model, loss), gradients(model, by_hand), atol=1e-12)


@pytest.mark.parametrize("target", ["delta", "state"])
def test_full_and_stopped_gradients_differ_and_their_losses_do_not(target: str) -> None:
    full = structure(rollout_target=target)
    stopped = replace(full, rollout_gradient="stopped")
    model = predictor(full)
    losses = [rollout_loss(model, window(), noise(), config, LANE, LAST) for config in (full, stopped)]
    assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-12)
    assert not torch.allclose(*(gradients(model, loss) for loss in losses), atol=1e-6)


@pytest.mark.parametrize("target", ["delta", "state"])
@pytest.mark.parametrize("gradient", ["full", "stopped"])
def test_the_jacobian_teaches_only_where_the_run_moves_its_own_target(target: str, gradient: str) -> None:
    whole = structure(head="vmf", rollout_target=target, rollout_gradient=gradient)
    bare = replace(whole, jacobian=False)
    frames, noisy = window(), noise(0.3)
    taught = [[], []]
    for config in (whole, bare):
        model = predictor(config)
        every = dict(LANE, sampling_share=torch.tensor(0.5).double())
        taught[0].append(gradients(model, teacher_loss(model, frames, noisy, config, every, True)))
        taught[1].append(gradients(model, rollout_loss(model, frames, noisy, config, LANE, LAST)))
    forced, free = (torch.equal(*pair) for pair in taught)
    assert forced  # there |delta| is data
    assert free is ((target, gradient) != ("state", "full"))


def test_input_noise_is_added_to_what_is_read_and_asked_back() -> None:
    model, frames = predictor(structure()), window()
    noisy = noise(0.3)
    inputs = frames[:, :-1] + noisy.input_BTD[:, :-1]
    law = model.head(model.backbone.read(inputs)[0])
    by_hand = -law.log_prob(frames[:, 1:] - inputs).mean()
    assert teacher_loss(model, frames, noisy, structure(), LANE, False).item() == pytest.approx(
        by_hand.item()
    )
    assert teacher_loss(model, frames, noise(), structure(), LANE, False).item() != pytest.approx(
        by_hand.item()
    )


def test_mixed_inputs_are_a_share_of_the_frame_and_noise_for_the_rest() -> None:
    share, eps = torch.rand(BATCH, FRAMES, 1).double(), torch.randn(BATCH, FRAMES, DIM).double()
    mixed = noise()._replace(input_BTD=torch.cat([share.sqrt() * eps, share], -1))
    expected = (1 - share).sqrt() * window() + share.sqrt() * eps
    assert torch.allclose(as_read(window(), mixed), expected, atol=1e-12)
    assert torch.equal(as_read(window(), noise()), window())
    model = predictor(structure())
    law = model.head(model.backbone.read(expected[:, :-1])[0])
    by_hand = -law.log_prob(window()[:, 1:] - expected[:, :-1]).mean()
    loss = teacher_loss(model, window(), mixed, structure(), LANE, False)
    assert loss.item() == pytest.approx(by_hand.item())


def test_a_clean_context_reads_true_frames_beside_those_with_noise() -> None:
    config = structure(clean_context=True)
    model, noisy, frames = predictor(config), noise(0.3), window()
    inputs = frames[:, :-1] + noisy.input_BTD[:, :-1]
    hidden = sum(
        part.read(given)[0]
        for part, given in ((model.backbone.noisy, inputs), (model.backbone.clean, frames[:, :-1]))
    )
    by_hand = -model.head(hidden).log_prob(frames[:, 1:] - inputs).mean()
    loss = teacher_loss(model, frames, noisy, config, LANE, False)
    assert loss.item() == pytest.approx(by_hand.item())
    whole, _ = model.backbone.read(frames)
    first, state = model.backbone.read(frames[:, :3])
    rest, _ = model.backbone.read(frames[:, 3:], state)
    assert torch.allclose(torch.cat([first, rest], 1), whole, atol=1e-12)


def noise_of_runs(runs: int) -> WindowNoise:
    """Noise of one run, and of others behind it."""
    generator, first = torch.Generator().manual_seed(7), noise().law_noise
    normal = torch.randn(BATCH, FRAMES, (runs - 1) * (DIM + 1), generator=generator).double()
    uniform = torch.rand(BATCH, FRAMES, 2 * (runs - 1), generator=generator).double()
    both = LawNoise(torch.cat([first.normal, normal], -1), torch.cat([first.uniform, uniform], -1))
    return noise()._replace(law_noise=both)


@pytest.mark.parametrize(("name", "share"), [("mixed", 0.5), ("energy", 1.0)])
@pytest.mark.parametrize("runs", [2, 3])
def test_the_energy_of_a_rollout_is_that_of_states_that_sampled_runs_reach(
    name: str, share: float, runs: int
) -> None:
    config = structure(rollout_loss=name, rollout_draws=runs)
    model, frames, every = predictor(config), window(), noise_of_runs(runs)
    h, state = model.backbone.read(frames[:, :CONTEXT])
    start = Start(h[:, -1], state, frames[:, CONTEXT - 1])
    reached = []
    for run in range(runs):
        normal = every.law_noise.normal[:, CONTEXT - 1 : -1, run * (DIM + 1) : (run + 1) * (DIM + 1)]
        uniform = every.law_noise.uniform[:, CONTEXT - 1 : -1, 2 * run : 2 * run + 2]
        _, deltas = free_run(model, start, STEPS, "sample", LawNoise(normal, uniform))
        reached.append(frames[:, CONTEXT - 1 : CONTEXT] + deltas.cumsum(1))
    states = torch.stack(reached).flatten(1, 2)
    score = energy_score(states, frames[:, CONTEXT:].flatten(0, 1)).mean()
    forced = teacher_loss(model, frames, noise(), config, LANE, False)
    by_hand = (1 - share) * forced + share * (DIM / 2) ** 0.5 * score
    loss = rollout_loss(model, frames, every, config, LANE, LAST)
    assert loss.item() == pytest.approx(by_hand.item(), abs=1e-12)
    stopped = replace(config, rollout_gradient="stopped")
    other = rollout_loss(model, frames, every, stopped, LANE, LAST)
    assert other.item() == pytest.approx(loss.item(), abs=1e-12)
    pairs = gradients(model, loss), gradients(model, by_hand), gradients(model, other)
    assert torch.allclose(pairs[0], pairs[1], atol=1e-10)
    assert not torch.allclose(pairs[0], pairs[2], atol=1e-6)


def test_a_run_that_reads_noise_goes_on_from_what_it_read() -> None:
    model, frames = predictor(structure()), window()
    h, state = model.backbone.read(frames[:, :CONTEXT])
    start, drawn = Start(h[:, -1], state, frames[:, CONTEXT - 1]), noise_of_runs(2).at(0, STEPS)
    wide = LawNoise(drawn.normal[..., : 2 * DIM + 1], drawn.uniform[..., :2])
    _, deltas = free_run(model, start, STEPS, "mean", wide, read_noise=0.3)
    h, now = start.hidden_BH, start.frame_BD
    for k in range(STEPS):
        now = now + model.head(h).mean()
        stands = start.frame_BD + deltas[:, : k + 1].sum(1)
        assert torch.allclose(stands, now, atol=1e-12)
        now = now + 0.3 * wide.normal[:, k, -DIM:]
        h, state = model.backbone.step(now, state)
    quiet = free_run(model, start, STEPS, "mean", drawn)[1]
    assert torch.equal(quiet[:, 0], deltas[:, 0]) and not torch.allclose(quiet, deltas, atol=1e-3)


def test_scheduled_sampling_reads_predictions_where_it_replaces() -> None:
    model, frames = predictor(structure()), window()
    every = dict(LANE, sampling_share=torch.tensor(1.0).double())
    first = model.head(model.backbone.read(frames[:, :-1])[0])
    inputs = torch.cat([frames[:, :1], frames[:, :-2] + first.mean()[:, :-1].detach()], 1)
    by_hand = -model.head(model.backbone.read(inputs)[0]).log_prob(frames[:, 1:] - inputs).mean()
    assert teacher_loss(model, frames, noise(), structure(), every, True).item() == pytest.approx(
        by_hand.item()
    )
    none = teacher_loss(model, frames, noise(), structure(), LANE, True)
    assert none.item() == teacher_loss(model, frames, noise(), structure(), LANE, False).item()


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.5}, {"rollout_target": "state"}])
def test_marginal_branches_are_the_expectation_over_the_first_component(settings: dict) -> None:
    """Drawing the first component very often gives, on average, what marginalising it gives."""
    drawn = structure(feedback="sample", rollout=2, **settings)
    marginal = replace(drawn, rollout_branches="marginal")
    model, frames = predictor(drawn), window()[:, : CONTEXT + 2]
    own = noise(0.2, frames=CONTEXT + 2)
    with torch.no_grad():
        exact = rollout_loss(model, frames, own, marginal, LANE, LAST).item()
        sampled = []
        for share in torch.linspace(0.0005, 0.9995, 1000).double():
            uniform = own.law_noise.uniform.clone()
            uniform[:, CONTEXT - 1, 0] = share  # which component the first step takes, and nothing else
            one = own._replace(law_noise=LawNoise(own.law_noise.normal, uniform))
            sampled.append(rollout_loss(model, frames, one, drawn, LANE, LAST).item())
    assert sum(sampled) / len(sampled) == pytest.approx(exact, abs=2e-3)


@pytest.mark.parametrize("backbone", ["gru", "mlp", "transformer"])
@pytest.mark.parametrize("steps", [1, 2])
def test_marginal_branches_teach_the_component_weights(backbone: str, steps: int) -> None:
    """The gradient in the components' logits is that of the expectation, which two steps know exactly."""
    config = structure(backbone=backbone, feedback="sample", rollout_branches="marginal", rollout=steps)
    model, frames = predictor(config), window()[:, : CONTEXT + steps]
    own, bias = noise(frames=CONTEXT + steps), model.head.inner.weights.bias
    (slope,) = torch.autograd.grad(rollout_loss(model, frames, own, config, LANE, LAST), bias)
    ends = []
    with torch.no_grad():
        for side in (1e-5, -2e-5):
            bias[1] += side
            ends.append(rollout_loss(model, frames, own, config, LANE, LAST).item())
    assert slope[1].item() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rollout_branches": "marginal"}, "set feedback to 'sample'"),
        ({"rollout_branches": "marginal", "feedback": "sample", "components": 64}, "use at most 32"),
        ({"coupling": "kappa_on_magnitude"}, "only 'vmf' couples"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be above 0"),
        ({"temperature": 0.5, "head": "linear"}, "set temperature to 1"),
        ({"temperature": 0.5, "head": "flow"}, "set temperature to 1"),
        ({"objective": "cos@99"}, "k from 1 to 16"),
        (
            {"objective": "predictive_information"},
            "objective is 'predictive_information'; it must be one of nll",
        ),
        ({"objective": "-nll", "head": "flow_matching"}, "has no likelihood; use a metric of rollouts"),
        ({"covariance": "low_rank", "head": "vmf"}, "set covariance to 'diagonal'"),
        ({"covariance": "low_rank", "rank": 33}, "rank is 33; it must be at most 32"),
        ({"rank": 2}, "set covariance to 'low_rank'"),
        ({"draws": 2}, "only flow_matching, diffusion, mean_flow, energy have it, so set draws to 0"),
        ({"draws": 17, "head": "energy"}, "draws is 17; it must be between 0 and 16"),
        ({"draws": 1, "head": "energy"}, "set draws to at least 2, or to 0"),
        ({"draws": 1, "head": "mean_flow"}, "set draws to at least 2, or to 0"),
        ({"noise_law": "uniform", "head": "energy"}, "so set noise_law to 'own'"),
        (
            {"noise_law": "cosine", "head": "diffusion"},
            "noise_law is 'cosine'; it must be one of own, uniform",
        ),
        ({"solver_steps": 8, "head": "vmf"}, "so set solver_steps to 0"),
        ({"solver_steps": 65, "head": "diffusion"}, "solver_steps is 65; it must be between 0 and 64"),
        ({"rollout_loss": "crps"}, "rollout_loss is 'crps'; it must be one of nll, energy, mixed"),
        ({"rollout_loss": "mixed", "rollout_draws": 5}, "rollout_draws is 5; it must be between 2 and 4"),
        ({"rollout_draws": 3}, "set rollout_loss to 'mixed' or 'energy'"),
        (
            {"rollout_loss": "energy", "rollout_branches": "marginal", "feedback": "sample"},
            "set rollout_branches to 'drawn'",
        ),
        ({"inference_noise": -0.1}, "inference_noise is -0.1; it must be at least 0"),
        (
            {"magnitude_spread": 0.5},
            "only vmf, movmf, power_spherical, prototypes, direction_codebook have it",
        ),
        ({"magnitude_spread": 2.0, "head": "vmf"}, "magnitude_spread is 2.0; it must be between 0.1 and 1.5"),
        ({"temperatures": "0.7"}, "temperatures is '0.7'; it must be several numbers above 0"),
        ({"temperatures": "0.7,0"}, "temperatures is '0.7,0'; it must be several numbers above 0"),
        ({"temperatures": "0.7,1", "head": "flow"}, "set temperatures to ''"),
        ({"components": 513}, "components is 513; it must be at most 512"),
        ({"jacobian": False}, "jacobian is False and head 'mdn'; only vmf, movmf, power_spherical"),
        ({"jacobian": False, "head": "linear"}, "so set jacobian to True"),
        ({"jacobian": "no", "head": "vmf"}, "jacobian is 'no'; it must be one of True, False"),
        ({"head": "sphere", "coordinates": "raw"}, "set coordinates to 'whitened'"),
        ({"head": "sphere", "clean_context": True}, "set clean_context to False"),
        ({"magnitude": "marginal"}, "so set magnitude to 'context'"),
        ({"magnitude": "none", "head": "vmf"}, "magnitude is 'none'; it must be one of context, marginal"),
        (
            {"magnitude": "marginal", "head": "vmf", "coupling": "magnitude_on_direction"},
            "set magnitude to 'context' or coupling to 'none'",
        ),
    ],
)
def test_wrong_settings_get_one_sentence(settings: dict, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        structure(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"kappa_prior_width": 0.0},
        {"input_noise": -1.0},
        {"input_mix": 1.1},
        {"scheduled_sampling": 1.5},
        {"ridge": 0.0},
    ],
)
def test_a_lanes_wrong_settings_too(settings: dict) -> None:
    (name,) = settings
    with pytest.raises(InputError, match=f"{name} is .*; it must be"):
        Lane(**settings)


@pytest.mark.parametrize(("every", "like"), [(1, "the truth"), (0, "a free run")])
def test_injection_goes_on_from_true_states(every: int, like: str) -> None:
    model, frames = predictor(structure()), window()
    h, state = model.backbone.read(frames[:, :CONTEXT])
    start = Start(h[:, -1], state, frames[:, CONTEXT - 1])
    run = (start, STEPS, "mean", noise().at(0, STEPS))
    mask = torch.full((BATCH, STEPS), bool(every))
    hidden, _ = free_run(model, *run, injection=Injection(frames[:, CONTEXT:], mask))
    forced = model.backbone.read(frames[:, :-1])[0][:, CONTEXT - 1 :]
    expected = forced if like == "the truth" else free_run(model, *run)[0]
    assert torch.allclose(hidden, expected, atol=1e-12)
