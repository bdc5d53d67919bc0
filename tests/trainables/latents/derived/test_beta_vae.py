"""A trained bottleneck: what it must gain over PCA, what its losses must change, and that it comes back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from trainables.errors import InputError
from trainables.latents.batching.feed import Feed
from trainables.latents.codec_registry import load_derived
from trainables.latents.codecs.logmel import LogMel
from trainables.latents.codecs.meta import meta_of
from trainables.latents.derived.beta_vae import BetaVae
from trainables.latents.derived.bottleneck_settings import BottleneckSettings
from trainables.latents.derived.bottleneck_training import BottleneckTraining, train_bottleneck
from trainables.latents.derived.derive_dataset import fit_transform, training_frames
from trainables.latents.derived.expression import parse
from trainables.latents.derived.mapped_feed import MappedFeed
from trainables.latents.derived.maps import Map
from trainables.latents.derived.transform import TRANSFORM_FILE, Transform
from trainables.latents.storage.dataset import LatentDataset, open_dataset, write_utterances
from trainables.latents.storage.parquet_file import LatentMeta, Utterance
from trainables.training_context import SoloContext

DIM, FRAMES = 16, 80
META = LatentMeta(
    representation="toy",
    dim=DIM,
    frame_rate=50.0,
    codec=None,
    codec_hash="c0",
    weights=None,
    corpus_hash="",
    lattice_step=None,
)
SMALL = BottleneckSettings(epochs=6, width=48, blocks=1, batch=32, steps=40, learning_rate=4e-3)


def autoregression(decays: list[float], rng: np.random.Generator) -> np.ndarray:
    """Unit variance in every dimension, and a lag-1 autocorrelation of its own."""
    decay = np.array(decays)
    z = np.empty((FRAMES, len(decay)))
    z[0] = rng.standard_normal(len(decay))
    for t in range(1, FRAMES):
        z[t] = decay * z[t - 1] + np.sqrt(1 - decay**2) * rng.standard_normal(len(decay))
    return z


def curved(rng: np.random.Generator) -> np.ndarray:
    """Frames on a manifold of four dimensions in sixteen, all but flat: each angle is a circle of 4 axes."""
    angles = autoregression([0.9] * 4, rng)
    waves = [np.sin(angles), np.cos(angles), 0.7 * np.sin(2 * angles), 0.7 * np.cos(2 * angles)]
    return np.concatenate(waves, 1)


def mixed(decays: list[float], rng: np.random.Generator) -> np.ndarray:
    """Autoregressions seen through a fixed orthonormal mixing, with a little noise everywhere."""
    mixing = np.linalg.qr(np.random.default_rng(5).standard_normal((DIM, len(decays))))[0]
    return autoregression(decays, rng) @ mixing.T + 0.05 * rng.standard_normal((FRAMES, DIM))


def write(folder: Path, frames) -> LatentDataset:
    track = np.full(FRAMES, np.nan)
    for seed, (split, speakers) in enumerate({"train": 48, "validation": 12}.items()):
        rng = np.random.default_rng(seed)
        names = [f"{split}{i}" for i in range(speakers)]
        rows = [Utterance(f"{n}-0", n, split, frames(rng), track, track, track) for n in names]
        write_utterances(folder / f"{split}.parquet", rows, META)
    return open_dataset(folder)


def source(dataset: LatentDataset, split: str, maps: list[Map]) -> MappedFeed:
    feed = Feed(lambda: dataset.tables(split), rms=1.0, lattice_step=None, frame_rate=50.0)
    return MappedFeed(feed, maps)


def fit(expression: str, dataset: LatentDataset, settings: BottleneckSettings, context=None) -> Transform:
    def learn(start: BetaVae, before) -> BetaVae:
        splits = (source(dataset, split, list(before)) for split in ("train", "validation"))
        return train_bottleneck(start, *splits, context or SoloContext())

    return fit_transform(expression, dataset, settings, learn)


def frames_of(dataset: LatentDataset, split: str) -> np.ndarray:
    shard = source(dataset, split, []).shard(0)
    return shard.frames_SND[0].double().numpy().reshape(-1, FRAMES, DIM)


def lost(transform: Transform, frames: np.ndarray) -> float:
    back = transform.to_base(transform.forward(frames.reshape(-1, DIM)))
    flat = frames.reshape(-1, DIM)
    return np.square(back - flat).sum() / np.square(flat - flat.mean(0)).sum()


def step_ratio(transform: Transform, frames: np.ndarray) -> float:
    codes = np.stack([transform.forward(path) for path in frames])
    return np.square(np.diff(codes, axis=1)).sum(-1).mean() / codes.reshape(-1, codes.shape[-1]).var(0).sum()


def linear_r2(transform: Transform, frames: np.ndarray) -> float:
    """How much of the next code's variance a linear map of the present one explains."""
    codes = np.stack([transform.forward(path) for path in frames])
    now, then = (c.reshape(-1, codes.shape[-1]) for c in (codes[:, :-1], codes[:, 1:]))
    now, then = now - now.mean(0), then - then.mean(0)
    error = then - now @ np.linalg.lstsq(now, then, rcond=None)[0]
    return 1 - np.square(error).sum() / np.square(then).sum()


@pytest.mark.slow
def test_frames_on_a_curved_manifold_are_kept_better_than_by_pca(tmp_path: Path) -> None:
    dataset = write(tmp_path, curved)
    trained = fit("beta-vae(4)", dataset, replace(SMALL, beta=0.02, epochs=10))
    held_out = frames_of(dataset, "validation")
    linear = lost(fit_transform("pca(4)", dataset), held_out)
    assert lost(trained, held_out) < 0.7 * linear
    assert trained.maps[0].outcome["validation"]["relative_error"] == pytest.approx(
        lost(trained, held_out), rel=0.05
    )


def test_training_starts_from_pca(tmp_path: Path) -> None:
    dataset = write(tmp_path, curved)
    start, linear = (fit_transform(f"{name}(4)", dataset) for name in ("beta-vae", "pca"))
    held_out = frames_of(dataset, "validation")
    assert lost(start, held_out) == pytest.approx(lost(linear, held_out), rel=1e-4)
    np.testing.assert_allclose(start.forward(held_out[0]).var(0), 1, atol=0.9)


@pytest.mark.slow
def test_a_large_beta_collapses_the_code_and_that_is_said(tmp_path: Path) -> None:
    dataset = write(tmp_path, lambda rng: mixed([0.9, 0.0], rng))
    free, strict = (fit("beta-vae(2)", dataset, replace(SMALL, beta=b)).maps[0] for b in (0.1, 500))
    assert free.outcome["validation"]["collapsed"] == 0 and "collapsed" not in free.summary()
    assert strict.outcome["validation"]["collapsed"] == 2
    assert "2 of 2 dimensions have collapsed" in strict.summary() and "lower --beta" in strict.summary()


@pytest.mark.slow
def test_the_smoothness_loss_makes_codes_move_less_for_their_spread(tmp_path: Path) -> None:
    dataset = write(tmp_path, lambda rng: mixed([0.95, 0.0, 0.0], rng))
    held_out = frames_of(dataset, "validation")
    plain, smooth = (fit("beta-vae(2)", dataset, replace(SMALL, smoothness=w)) for w in (0.0, 30.0))
    assert step_ratio(smooth, held_out) < 0.6 * step_ratio(plain, held_out)
    # The ratio leaves nothing to be won by shrinking: the codes keep what they carry of the slow direction.
    assert smooth.forward(held_out[0]).var(0).sum() > 0.1
    found = smooth.maps[0].outcome["validation"]["smoothness"]
    assert found == pytest.approx(step_ratio(smooth, held_out), rel=0.02)


@pytest.mark.slow
def test_the_predictability_loss_makes_codes_of_what_the_past_tells(tmp_path: Path) -> None:
    # One direction is foretold by its past with the sign turned, so that it is anything but smooth.
    dataset = write(tmp_path, lambda rng: mixed([-0.95, 0.0], rng))
    held_out = frames_of(dataset, "validation")
    plain, foretold = (fit("beta-vae(1)", dataset, replace(SMALL, predictability=w)) for w in (0.0, 30.0))
    assert linear_r2(foretold, held_out) > 0.75
    both = fit("beta-vae(2)", dataset, SMALL), fit("beta-vae(2)", dataset, replace(SMALL, predictability=30))
    assert linear_r2(both[1], held_out) > linear_r2(both[0], held_out) + 0.1
    assert foretold.maps[0].outcome["validation"]["predictability"] < 0.3


def test_what_is_saved_comes_back_bit_for_bit(tmp_path: Path) -> None:
    dataset = write(tmp_path / "base", curved)
    settings = replace(SMALL, epochs=1, smoothness=2.0, predictability=1.0)
    made = fit("beta-vae(6) of stack(2)", dataset, settings)
    made.save(tmp_path)
    found = Transform.load(tmp_path)
    frames = next(training_frames(dataset))
    np.testing.assert_array_equal(found.forward(frames), made.forward(frames))
    codes = made.forward(frames)
    np.testing.assert_array_equal(found.to_base(codes), made.to_base(codes))
    assert found.to_base(codes).shape == (len(frames), DIM)
    assert (found.hash, found.name) == (made.hash, "beta-vae6-smoothness2-predictability1(stack2(toy))")
    assert found.maps == made.maps and found.maps[1].outcome == made.maps[1].outcome
    assert (found.dim, found.meta(tmp_path).frame_rate) == (6, 25.0)
    with safe_open(tmp_path / TRANSFORM_FILE, "numpy") as stored:
        assert stored.metadata()["weights_hash"] == made.hash
    other = made.maps[1].weights | {"mean": made.maps[1].weights["mean"] + 1}
    changed = replace(made, maps=(made.maps[0], replace(made.maps[1], weights=other)))
    assert changed.hash != made.hash


def test_a_code_does_not_depend_on_its_neighbours(tmp_path: Path) -> None:
    made = fit_transform("beta-vae(4)", write(tmp_path, curved))
    frames = np.random.default_rng(0).standard_normal((50, DIM))
    alone = np.concatenate([made.forward(frame[None]) for frame in frames])
    np.testing.assert_allclose(made.forward(frames), alone, rtol=1e-10, atol=1e-12)


class Interrupted(SoloContext):
    """Fails after some epochs, and restores what was reported by then."""

    def __init__(self, after: int | None, state=None) -> None:
        super().__init__()
        self.after, self.state = after, state

    def report(self, progress, state=None) -> None:
        super().report(progress, state)
        self.state = state
        if len(self.reports) == self.after:
            raise KeyboardInterrupt

    def restore(self):
        return self.state


def test_an_interrupted_training_goes_on_to_the_same_end(tmp_path: Path) -> None:
    dataset, settings = write(tmp_path, curved), replace(SMALL, epochs=4, steps=10, smoothness=1.0)
    whole = fit("beta-vae(4)", dataset, settings)
    first = Interrupted(2)
    with pytest.raises(KeyboardInterrupt):
        fit("beta-vae(4)", dataset, settings, first)
    kept = tmp_path / "state.pt"
    torch.save(first.state, kept)
    second = Interrupted(None, torch.load(kept, weights_only=True))
    assert fit("beta-vae(4)", dataset, settings, second).hash == whole.hash
    assert [report["epoch"] for report in second.reports] == [2, 3]


class Pair(SoloContext):
    """One of two workers in this process: what is gathered is handed in by the test."""

    world_size = 2

    def __init__(self, rank: int, gather) -> None:
        super().__init__()
        self.rank, self.gather = rank, gather


@pytest.mark.parametrize("losses", [{}, {"smoothness": 5.0, "predictability": 5.0}])
def test_the_gradients_of_two_workers_average_to_that_of_one(tmp_path: Path, losses) -> None:
    dataset = write(tmp_path, curved)
    start = fit_transform("beta-vae(4)", dataset, replace(SMALL, **losses)).maps[0]
    network = start.network().double()
    draws = torch.Generator().manual_seed(1)
    windows = torch.randn(8, 16, DIM, generator=draws, dtype=torch.float64).cumsum(1)
    noise = torch.randn(8, 16, 4, generator=draws, dtype=torch.float64)

    def gradient(rows: slice, pool) -> torch.Tensor:
        network.zero_grad()
        network(windows[rows], noise[rows], pool)[0].backward()
        return torch.cat([p.grad.reshape(-1) for p in network.parameters()])

    asked: list[torch.Tensor] = []
    whole = gradient(slice(None), lambda value: asked.append(value) or value)
    answers = [iter(asked), iter(asked)]  # the mean over workers of what each asks for is that of all windows
    halves = [gradient(slice(rank, None, 2), lambda _, r=rank: next(answers[r])) for rank in (0, 1)]
    torch.testing.assert_close(sum(halves) / 2, whole, rtol=1e-9, atol=1e-12)


def test_training_stops_once_validation_speakers_gain_nothing(tmp_path: Path) -> None:
    dataset, settings = write(tmp_path, curved), replace(SMALL, epochs=50, patience=2)
    start = fit_transform("beta-vae(4)", dataset, settings).maps[0]
    feeds = (source(dataset, split, []) for split in ("train", "validation"))
    run = BottleneckTraining(start, *feeds, SoloContext())
    for epoch, loss in enumerate([3.0, 2.0, float("nan")]):
        run.history.append({"epoch": epoch, "validation": {"loss": loss}})
    assert run.best_epoch == 1 and not run.is_over
    run.history.append({"epoch": 3, "validation": {"loss": 2.5}})
    assert run.is_over and run.best_epoch == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda: parse("beta-vae(0)"), r"beta-vae\(0\) must have at least 1"),
        (lambda: BottleneckSettings(beta=-1), "--beta is -1; it must be a number of at least 0"),
        (lambda: BottleneckSettings(smoothness=float("nan")), "--smoothness is nan"),
        (lambda: BottleneckSettings(epochs=0), "--epochs is 0"),
        (
            lambda: Transform.fit("beta-vae(17)", META, "", lambda: pytest.fail("frames were read")),
            r"beta-vae\(17\) of 16 dimensions",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(asked, said: str) -> None:
    with pytest.raises(InputError, match=said):
        asked()


def test_codes_are_heard_through_the_codec_of_the_base(tmp_path: Path) -> None:
    codec = LogMel(None)
    rng = np.random.default_rng(0)
    audio = (0.1 * rng.standard_normal(codec.sample_rate)).astype(np.float32)
    latents = codec.encode(audio)
    meta = meta_of(codec)
    track = np.full(len(latents), np.nan)
    rows = [Utterance(f"s{i}", f"s{i}", "train", latents + 0.1 * i, track, track, track) for i in range(3)]
    write_utterances(tmp_path / "base" / "x.parquet", rows, meta)
    fit_transform("beta-vae(32)", open_dataset(tmp_path / "base")).save(tmp_path)
    derived = load_derived(tmp_path)
    codes = derived.encode(audio)
    assert codes.shape == (len(latents), 32) and codes.dtype == np.float32
    assert len(derived.decode(codes)) == len(codec.decode(latents))
