"""Games as worlds: nothing random but the actions, nothing moving lost, nothing standing still left exact."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from trainables.errors import InputError
from trainables.latents.storage.dataset import latent_frames, open_dataset
from trainables.latents.worlds import atari
from trainables.latents.worlds import catalogue as controls
from trainables.latents.worlds.atari import ACTION, COMPONENTS, STEP, Atari
from trainables.latents.worlds.catalogue import WORLDS, write_world

pytest.importorskip("ale_py", reason="the extra `games` is not installed")

GAMES = sorted({world.game for world in WORLDS.values() if isinstance(world, Atari)})


@pytest.fixture(scope="module")
def seen() -> np.ndarray:
    """Eight stretches of Pong with actions, [8, 120, 70]."""
    return WORLDS["pong-actions"].simulate(8, 120, np.random.default_rng(5))


def actions_of(frames: np.ndarray) -> np.ndarray:
    return frames[..., COMPONENTS:].argmax(-1)


def test_every_game_is_there_with_and_without_its_actions() -> None:
    assert GAMES == ["breakout", "ms_pacman", "pong"]
    for game in GAMES:
        assert WORLDS[game] == Atari(game, actions=False)
        assert WORLDS[f"{game}-actions"] == Atari(game, actions=True)


@pytest.mark.slow
def test_the_seed_decides_and_utterances_differ(seen: np.ndarray) -> None:
    assert seen.shape == (8, 120, WORLDS["pong-actions"].dim) == (8, 120, COMPONENTS + 6)
    again = WORLDS["pong-actions"].simulate(2, 120, np.random.default_rng(5))
    np.testing.assert_array_equal(again, seen[:2])
    first = seen[:, 0, :COMPONENTS]
    apart = np.linalg.norm(first[:, None] - first, axis=-1)[np.triu_indices(8, 1)]
    assert apart.min() > 4 * STEP  # noise alone: STEP * sqrt(2 * 64 / 12) = 3.3 STEP
    assert len(np.unique(actions_of(seen), axis=0)) == 8


def test_actions_are_uniform_and_know_nothing_of_what_came_before(seen: np.ndarray) -> None:
    chosen = actions_of(WORLDS["pong-actions"].simulate(16, 120, np.random.default_rng(6)))
    assert stats.chisquare(np.bincount(chosen.ravel(), minlength=6)).pvalue > 1e-3
    pairs = np.zeros((6, 6))
    np.add.at(pairs, (chosen[:, :-1].ravel(), chosen[:, 1:].ravel()), 1)
    assert stats.chi2_contingency(pairs).pvalue > 1e-3


def test_a_frame_carries_the_action_that_leads_to_the_next() -> None:
    """Played by hand: the same actions give the same pictures, one decision later."""
    console = atari._console("pong")
    pictures, taken = console.play(20, np.random.default_rng(1))
    lead = 1 + int(np.random.default_rng(1).integers(atari._LEAD))
    whole = np.random.default_rng(1)
    whole.integers(atari._LEAD)
    np.testing.assert_array_equal(whole.integers(6, size=lead + 20)[lead:], taken)
    console._ale.restoreState(console._begun)
    replay = np.random.default_rng(1)
    replay.integers(atari._LEAD)
    shown = [console._decide(console.actions[a]) for a in replay.integers(6, size=lead + 20)]
    # The picture before the action taken[t] is what the decision before it left.
    np.testing.assert_array_equal(np.stack(shown)[lead - 1 : -1], pictures)


def test_actions_are_centred_and_can_be_told_apart(seen: np.ndarray) -> None:
    held = seen[..., COMPONENTS:]
    ideal = ACTION * (np.eye(6)[actions_of(seen)] - 1 / 6)
    assert np.std(held - ideal) == pytest.approx(atari.ACTION_NOISE, rel=0.05)
    assert abs(held.mean()) < 1


def test_noise_is_what_dithered_pixels_would_give() -> None:
    """A component of uniform noise on all pixels: its variance is STEP^2 / 12, and it is normal."""
    rng = np.random.default_rng(2)
    mean_P, _ = atari.principal_components("pong")
    noise = rng.uniform(-STEP / 2, STEP / 2, (300, 210, 160)).astype(np.float32)
    seen_NP = np.stack([atari.halved(screen) for screen in noise])
    z_ND = atari.reduced("pong", seen_NP + mean_P)
    assert z_ND.var() == pytest.approx(STEP**2 / 12, rel=0.05)
    assert abs(stats.kurtosis(z_ND[:, 10:], axis=None)) < 0.2


def test_components_are_orthonormal_and_fitted_to_nothing_that_is_written() -> None:
    _, basis_PD = atari.principal_components("pong")
    np.testing.assert_allclose(basis_PD.T @ basis_PD, np.eye(COMPONENTS), atol=1e-4)
    before = basis_PD.copy()
    WORLDS["pong"].simulate(1, 5, np.random.default_rng(0))
    np.testing.assert_array_equal(atari.principal_components("pong")[1], before)


@pytest.mark.slow
@pytest.mark.parametrize(("game", "least"), [("breakout", 0.6), ("ms_pacman", 0.5), ("pong", 0.7)])
def test_what_moves_is_still_seen(game: str, least: float) -> None:
    """Correlation of the change from picture to picture, restored from noisy latents, with the true change,
    in an episode to which nothing was fitted.
    """
    rng = np.random.default_rng(9)
    pictures, _ = atari._console(game).play(150, rng)
    z_TD = atari.reduced(game, pictures)
    z_TD += STEP / np.sqrt(12) * rng.standard_normal(z_TD.shape)
    true, shown = np.diff(pictures, axis=0).ravel(), np.diff(atari.restored(game, z_TD), axis=0).ravel()
    assert np.corrcoef(true, shown)[0, 1] > least
    standing = np.diff(atari.restored(game, z_TD[:1].repeat(len(z_TD), 0)), axis=0)
    assert np.abs(standing).max() == 0


def test_it_is_written_like_any_other_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "_SPEAKERS", {"train": 3, "validation": 1, "test": 2})
    monkeypatch.setattr(controls, "_FRAMES", (20, 30))
    for place in "ab":
        write_world("pong-actions", tmp_path / place)
    found, same = (open_dataset(tmp_path / place) for place in "ab")
    assert found.content_hash == same.content_hash
    meta = found.meta
    assert (meta.representation, meta.dim, meta.frame_rate) == ("control:pong-actions", 70, 15.0)
    assert meta.world["optimum"] is None and meta.world["parameters"]["frame_skip"] == 4
    assert [len(found.speakers(split)) for split in ("train", "validation", "test")] == [3, 1, 2]
    starts = []
    for split, utterances in (("train", 6), ("validation", 2), ("test", 4)):
        (table,) = found.tables(split)
        frames, offsets = latent_frames(table["latents"])
        assert len(offsets) == utterances + 1 and set(np.diff(offsets)) <= set(range(20, 31))
        starts.append(frames[offsets[:-1]])
    assert len(np.unique(np.concatenate(starts), axis=0)) == 12


def test_an_unknown_game_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'ms_packman'; did you mean 'ms_pacman'"):
        write_world("ms_packman", tmp_path)


def test_without_the_emulator_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ale_py", None)
    atari._console.cache_clear()
    with pytest.raises(InputError, match=r"ale-py, which is not installed.*\[games\]"):
        write_world("pong-actions", tmp_path)
    assert not list(tmp_path.iterdir())
