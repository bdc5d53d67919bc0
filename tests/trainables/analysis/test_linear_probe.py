"""Regressions in closed form against brute force, and against processes of known predictability."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from orchestrator.statistics.intervals import Interval, over_speakers
from orchestrator.statistics.speaker_cells import from_scores
from tests.trainables.analysis.synthetic import autoregression, feed
from trainables.analysis.frame_density import FrameDensity
from trainables.analysis.lagged_products import LaggedProducts, lagged_products
from trainables.analysis.linear_probe import Asked, LinearProbe, ProbeSpan, probe
from trainables.analysis.magnitude_probe import probe_magnitude
from trainables.analysis.probe_cases import scale_of
from trainables.distributions.frame_flow import FrameFlow, settings_for
from trainables.errors import InputError
from trainables.predictor.scores import Scores

CONTEXT, AHEAD = 3, (1, 2, 5)
LENGTHS = (9, 8, 7, 20, 13)  # a case takes 8 frames
OFFSETS = np.cumsum([0, *LENGTHS])


def products(frames: torch.Tensor, utterances: slice = slice(None)) -> LaggedProducts | None:
    return lagged_products(frames, OFFSETS[:-1][utterances], OFFSETS[1:][utterances], CONTEXT, AHEAD)


@pytest.fixture
def frames() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal((OFFSETS[-1], 2)))


def rows_of_cases() -> list[int]:
    return [
        t
        for b, e in zip(OFFSETS[:-1], OFFSETS[1:], strict=True)
        for t in range(b + CONTEXT - 1, e - max(AHEAD))
    ]


def test_lagged_products_are_those_of_all_cases_one_by_one(frames: torch.Tensor) -> None:
    own, rows = products(frames), rows_of_cases()
    assert own.count == len(rows) == 2 + 1 + 0 + 13 + 6
    pairs = {(p, q) for p in (-2, -1, 0) for q in (-2, -1, 0, *AHEAD) if p <= q} | {(q, q) for q in AHEAD}
    assert set(own.blocks) == pairs
    for (p, q), block in own.blocks.items():
        direct = sum(torch.outer(frames[t + p], frames[t + q]) for t in rows)
        torch.testing.assert_close(block, direct, rtol=1e-12, atol=1e-12)


def test_products_of_pieces_add_up_and_short_pieces_have_none(frames: torch.Tensor) -> None:
    whole, parts = products(frames), products(frames, slice(0, 2)) + products(frames, slice(2, None))
    for pair, block in whole.blocks.items():
        torch.testing.assert_close(parts.blocks[pair], block)
    assert products(frames, slice(2, 3)) is None


def test_a_fit_is_least_squares_and_its_mean_nll_that_of_the_cases(frames: torch.Tensor) -> None:
    rows = torch.tensor(rows_of_cases())
    past = torch.cat([frames[rows - back] for back in range(2)], 1)
    delta = frames[rows + 5] - frames[rows]
    model = LinearProbe.fit(products(frames), 2, 5, ridge=1e-12)
    direct = torch.linalg.lstsq(torch.cat([past, torch.ones(len(past), 1)], 1), delta).solution
    torch.testing.assert_close(torch.cat([model.weight, model.bias[:, None]], 1), direct.T)
    nll, _ = model.figures(past, frames[rows], frames[rows + 5])["nll"]
    assert model.mean_nll(products(frames), 5) == pytest.approx(float(nll.mean()), rel=1e-9)


@pytest.mark.parametrize("decay", [0.5, 0.9])
def test_an_autoregression_gives_the_information_of_the_closed_form(decay: float) -> None:
    dim = 8
    train, held_out = autoregression(dim, decay, (100, 100), 400)
    scores = probed(train, held_out, ProbeSpan((1, 4), (1, 2)))
    for context in (1, 4):
        for ahead in (1, 2):
            formula = -dim / 2 * math.log1p(-(decay ** (2 * ahead)))
            found = scores[Asked("real", context, ahead)].value("predictive_information")
            assert found == pytest.approx(formula, rel=0.02, abs=0.015)


def test_a_flow_of_gaussian_frames_leaves_the_past_what_a_gaussian_leaves_it() -> None:
    train, held_out = autoregression(8, 0.9, (60, 40), 200)
    flow = FrameDensity.fit(train, held_out, 0, replace(settings_for(8), steps=20)).state()
    flows = {"real": FrameFlow.from_state(flow)}
    scores = probe(train, held_out, scale_of(train), ProbeSpan((1,), (1,)), flows)
    found = scores[Asked("real", 1, 1)]
    gaussian, past_flow = (found.value(f"predictive_information{name}") for name in ("", "_flow"))
    assert past_flow == pytest.approx(gaussian, abs=0.15)


def test_white_noise_gives_no_information_but_a_cosine_of_0707_and_the_dnll_of_its_dimension() -> None:
    dim = 64
    train, held_out = autoregression(dim, 0.0, (80, 40), 400)
    for asked, scores in probed(train, held_out, ProbeSpan((1, 4), (1,))).items():
        information = interval(scores, "predictive_information")
        assert information.low <= 0 <= information.high and information.high < 0.02, asked
        assert scores.value("one_step_cosine") == pytest.approx(math.sqrt(0.5), abs=0.01)
        assert scores.value("dnll") == pytest.approx(-dim / 2 * math.log(2), rel=0.02)
        assert scores.value("r2") == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("prefix", ["b", "a"])
def test_nothing_is_found_in_noise_by_as_many_inputs_as_frames_whatever_speakers_are_called(prefix) -> None:
    """A draw by name alone takes none of b0 to b3 to choose the penalty, and three of a0 to a3."""
    rng = np.random.default_rng(2)
    train, held_out = (
        feed(rng.standard_normal((count, 100, 64)), name) for count, name in ((4, prefix), (8, "held"))
    )
    for scores in probed(train, held_out, ProbeSpan((1, 4), (1,))).values():
        assert abs(scores.value("predictive_information")) < 0.05


def test_shuffling_takes_away_the_information_and_a_gaussian_copy_keeps_it() -> None:
    train, held_out = autoregression(8, 0.9, (60, 60), 400, ("real", "white", "gaussian"))
    found = {a.surrogate: s for a, s in probed(train, held_out, ProbeSpan((1,), (1,))).items()}
    real, white, gaussian = (found[s].value("predictive_information") for s in ("real", "white", "gaussian"))
    assert gaussian == pytest.approx(real, rel=0.1) and white < 0.1 * real


def test_figures_do_not_depend_on_how_dimensions_are_scaled_or_mixed() -> None:
    rng = np.random.default_rng(3)
    paths = [np.stack([rng.standard_normal((300, 4)).cumsum(0) * 0.1 for _ in range(20)]) for _ in range(2)]
    mixing = rng.standard_normal((4, 4))
    plain, mixed = (
        probed(feed(a, "a"), feed(b, "b"), ProbeSpan((2,), (1,)))[Asked("real", 2, 1)]
        for a, b in (paths, [p @ mixing for p in paths])
    )
    for metric in ("predictive_information", "dnll"):
        assert mixed.value(metric) == pytest.approx(plain.value(metric), rel=0.02, abs=0.01)


def test_a_magnitude_that_lasts_is_seen_by_its_own_regression() -> None:
    """Steps in random directions whose log lengths are an autoregression of 0.9: R2 is 0.81."""
    rng = np.random.default_rng(5)
    sides = []
    for prefix in "ab":
        log_size = log_sizes(rng, 40, 300)
        steps = rng.standard_normal((40, 300, 8))
        steps *= np.exp(log_size)[..., None] / np.linalg.norm(steps, axis=-1, keepdims=True)
        sides.append(feed(0.1 * steps.cumsum(1), prefix))
    scale = scale_of(sides[0])
    found = probe_magnitude(*sides, scale, (1, 2))
    assert found[Asked("real", 2, 1)].value("log_magnitude_r2") == pytest.approx(0.81, abs=0.06)
    assert found[Asked("real", 1, 1)].value("log_magnitude_r2") < 0.3


def test_utterances_that_are_too_short_are_named() -> None:
    train, held_out = autoregression(4, 0.5, (10, 10), 6)
    with pytest.raises(InputError, match="no training utterance has the 8 frames"):
        probed(train, held_out, ProbeSpan((4,), (4,)))
    long, _ = autoregression(4, 0.5, (10, 10), 60)
    with pytest.raises(InputError, match="no held-out utterance has the 8 frames"):
        probed(long, held_out, ProbeSpan((4,), (4,)))


def log_sizes(rng: np.random.Generator, utterances: int, frames: int) -> np.ndarray:
    """A stationary autoregression of 0.9 with a spread of 0.5, [U, T]."""
    path = [0.5 * rng.standard_normal(utterances)]
    for _ in range(frames - 1):
        path.append(0.9 * path[-1] + 0.5 * math.sqrt(1 - 0.81) * rng.standard_normal(utterances))
    return np.stack(path, 1)


def probed(train, held_out, reach: ProbeSpan) -> dict[Asked, Scores]:
    return probe(train, held_out, scale_of(train), reach)


def interval(scores: Scores, metric: str) -> Interval:
    _, numerators, denominators = from_scores(scores, metric)
    return over_speakers(numerators, denominators)
