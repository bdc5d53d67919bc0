"""The Lorenz world is the Lorenz system, and a free run of it lasts as long as is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from trainables.analysis.reservoir import EchoState, fit_readout, valid_times
from trainables.latents.storage.dataset import latent_frames, open_dataset
from trainables.latents.worlds.catalogue import WORLDS, write_world
from trainables.latents.worlds.lorenz import LYAPUNOV
from trainables.predictor.model.closed_form import LastFrames

WORLD = WORLDS["lorenz"]
STARTS, WASHOUT = 112, 100
MEAN, DEVIATION = np.array([0, 0, 23.55]), np.array([7.92, 9.01, 8.62])


@pytest.fixture(scope="module")
def paths() -> np.ndarray:
    """Six stretches to learn from and 112 to run on, [118, 1100, 3]."""
    return WORLD.simulate(6 + STARTS, 1100, np.random.default_rng(1))


def test_frames_are_standardised_and_obey_the_equations(paths: np.ndarray) -> None:
    np.testing.assert_allclose(paths.mean((0, 1)), 0, atol=0.05)
    np.testing.assert_allclose(paths.std((0, 1)), 1, atol=0.03)

    def flow(_: float, s: np.ndarray) -> list[float]:
        return [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]]

    times = 0.02 * np.arange(50)
    exact = solve_ivp(flow, (0, 1), paths[0, 0] * DEVIATION + MEAN, t_eval=times, rtol=1e-10, atol=1e-10).y.T
    np.testing.assert_allclose(paths[0, :50] * DEVIATION + MEAN, exact, atol=0.01)


def test_errors_grow_at_the_lyapunov_exponent() -> None:
    rng = np.random.default_rng(4)
    start = WORLD.simulate(200, 1, rng)[:, 0] * DEVIATION + MEAN
    near, far = start, start + 1e-7 * rng.standard_normal(start.shape)
    gaps = []
    for frame in range(500):
        near, far = WORLD._next(near), WORLD._next(far)
        if frame in (99, 499):
            gaps.append(np.log(np.linalg.norm(far - near, axis=1)).mean())
    assert (gaps[1] - gaps[0]) / (400 * WORLD.dt) == pytest.approx(LYAPUNOV, abs=0.08)


def test_it_is_written_like_any_other_world(tmp_path: Path) -> None:
    write_world("lorenz", tmp_path)
    found = open_dataset(tmp_path)
    assert (found.meta.representation, found.meta.dim) == ("control:lorenz", 3)
    assert found.meta.world["optimum"]["cos"] == [1.0] * 16 and found.meta.world["optimum"]["nll"] is None
    (table,) = found.tables("test")
    frames, offsets = latent_frames(table["latents"])
    starts = frames[offsets[:-1]].astype(float)
    assert len(np.unique(starts, axis=0)) == len(starts) == 80


def test_reading_in_pieces_is_reading_at_once(paths: np.ndarray) -> None:
    backbone = EchoState(3, 20, 0.5, 0.2, np.random.default_rng(0))
    z_BTD = torch.from_numpy(paths[:4, :30])
    whole, _ = backbone.read(z_BTD)
    first, state = backbone.read(z_BTD[:, :12])
    rest, _ = backbone.read(z_BTD[:, 12:], state)
    torch.testing.assert_close(torch.cat([first, rest], 1), whole)
    radius = np.abs(np.linalg.eigvals(backbone.recurrent.numpy())).max()
    assert radius == pytest.approx(0.5)


@pytest.mark.slow
@pytest.mark.parametrize(("units", "low", "high"), [(100, 7.6, 8.9), (300, 8.9, 10.8)])
def test_a_free_run_of_an_echo_state_network_stays_valid_for_as_long_as_is_known(
    paths: np.ndarray, units: int, low: float, high: float
) -> None:
    """Known: median 8.1, quartiles 7.6 and 8.9, at 100 units; 9.7, 8.9 and 10.8 at 300; both at spectral
    radius 0.5, input 0.2, ridge 1e-8. The biases are ours. Single reservoirs differ by up to one and a half.
    """
    train, held_out = torch.from_numpy(paths[:6]), torch.from_numpy(paths[6:, :900])
    cases = 6 * (1099 - WASHOUT)
    own, worse = [], []
    for seed in (1, 2):
        backbone = EchoState(3, units, 0.5, 0.2, np.random.default_rng(seed), bias=1.0)
        model = fit_readout(backbone, train, WASHOUT, ridge=1e-8 / cases)
        own.append(valid_times(model, held_out, WASHOUT, threshold=0.4) * WORLD.dt * LYAPUNOV)
        model.head.linear.weight.mul_(1.01)  # a readout that is off by a hundredth is soon lost
        worse.append(valid_times(model, held_out[:, :500], WASHOUT, threshold=0.4) * WORLD.dt * LYAPUNOV)
    times = torch.cat(own)
    assert len(times) == 2 * STARTS
    assert low <= float(times.median()) <= high
    assert float(torch.cat(worse).median()) < 0.8 * float(times.median())


def test_a_linear_predictor_is_lost_at_once(paths: np.ndarray) -> None:
    """A regression on two frames holds for an eighth of a Lyapunov time, on one for half as long."""
    train, held_out = torch.from_numpy(paths[:6]), torch.from_numpy(paths[6:, :300])
    ridge = 1e-8 / (6 * (1099 - WASHOUT))
    one, two = (
        valid_times(fit_readout(LastFrames(count), train, WASHOUT, ridge), held_out, WASHOUT, 0.4)
        * (WORLD.dt * LYAPUNOV)
        for count in (1, 2)
    )
    assert 0.05 <= float(one.median()) <= 0.1
    assert 0.1 <= float(two.median()) <= 0.16
