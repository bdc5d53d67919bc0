"""Evidence of sweeps that were never run, with effects that are known because they were put there."""

from __future__ import annotations

import io
import math
import wave
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestrator.records.evidence import ArmEvidence, Assay, Evidence, Exhibit, Exploration, Replicate
from search_spaces import load
from search_spaces.study import Study, criteria_hash, declared
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import NULLS, PLANTS, Surrogate
from trainables.predictor.scores import LaneStatus, Scores

STUDY: Study = load("vmf_vs_mdn")
HORIZON = 16
FRAME_RATE = 50.0
# The best possible cosines on plants.
OPTIMA = {
    plant: {"cos": np.linspace(*ends, HORIZON).tolist(), "errors": [0.002] * HORIZON}
    for plant, ends in zip(PLANTS, ((0.85, 0.83), (0.75, 0.03)), strict=True)
}
NOISE = 1 / math.sqrt(2)


@dataclass
class Truth:
    """What an arm is really like: expected values, around which speakers and seeds scatter."""

    cos: tuple[float, float] = (0.72, 0.68)  # at k = 1 and at k = K, straight between
    ratio: tuple[float, float] = (0.9, 0.6)
    information: float = 6.0  # nats per frame
    quality: float | None = None  # of the decoded continuation
    white: tuple[float, float] = (NOISE, 0.0)  # cosine of the arm trained on shuffled frames
    gaussian: tuple[float, float] = (0.6, 0.1)
    kept: tuple[float, float] = (0.83, 0.8)  # on frames in which a direction was planted and stays known
    lost: tuple[float, float] = (0.7, 0.02)  # ... and is lost
    speaker_sd: float = 0.03
    seed_sd: float = 0.01
    diverged: int = 0  # replicates
    late_gain: float = 0.0  # of cos@16 on validation speakers, with the last epoch of training
    patient: bool = False  # whether training ended because validation speakers saw no more progress
    ridge: tuple[float, float] | None = None  # cosines of ridge regression at both ends of its rollouts
    config: dict[str, Any] = field(default_factory=dict)


def scores(rng, cos, ratio, information, speakers=12, speaker_sd=0.03, seed_sd=0.01, effects=None) -> Scores:
    """Sums and counts per speaker, as an evaluation leaves them."""
    names = [f"speaker-{i:02d}" for i in range(speakers)]
    frames = (
        np.random.default_rng(7).integers(300, 900, speakers).astype(float)
    )  # the same test frames always
    effect = (np.zeros(speakers) if effects is None else effects) + rng.normal(0, seed_sd)
    scatter = lambda shape: rng.normal(0, speaker_sd / 2, shape)  # noqa: E731
    windows = np.repeat(frames[:, None], HORIZON, 1) / 10
    curves = {
        name: np.clip(np.linspace(*ends, HORIZON) + effect[:, None] + scatter((speakers, HORIZON)), low, high)
        for name, ends, low, high in (("cos", cos, -1, 1), ("log_magnitude_ratio", ratio, 1e-3, 9))
    }
    curves["log_magnitude_ratio"] = np.log(curves["log_magnitude_ratio"])
    curves["state_error"] = np.linspace(0.4, 1.1, HORIZON) + scatter((speakers, HORIZON))
    nll = 80 + 10 * effect
    one_step = {
        "nll": nll,
        "marginal_nll": nll + information + 3 * scatter(speakers),
        "gaussian_marginal_nll": nll + information + 1.5 + 3 * scatter(speakers),
        "delta_nll": nll + information + 11.0,
        "gaussian_delta_nll": nll + information + 12.0,
        "one_step_cosine": cos[0] + effect + scatter(speakers),
        "log_magnitude": 3.4 + effect,
        "log_magnitude_squared": (3.4 + effect) ** 2 + 0.25,
        "log_magnitude_squared_error": 0.2 + 0 * effect,
    }
    curves |= {
        f"{name}_{run}": curves[name]
        for name in ("cos", "log_magnitude_ratio", "state_error")
        for run in "ABC"
    }
    curves |= {"energy_score": 0.5 - 0.3 * curves["cos"], "crps": 0.05 - 0.03 * curves["cos"]}
    curves["energy_score_of_climate"] = np.full_like(curves["cos"], 0.5)
    return Scores(
        names,
        FRAME_RATE,
        HORIZON,
        sums={**{k: v * windows for k, v in curves.items()}, **{k: v * frames for k, v in one_step.items()}},
        counts={**{k: windows for k in curves}, **{k: frames for k in one_step}},
    )


def evidence(
    truths: dict[str, Truth] | None = None,
    *,
    replicates: int = 6,
    speakers: int = 12,
    codec: str | None = None,
    world: dict[str, Any] | None = None,
    exhibits: int = 0,
    seed: int = 0,
    study: Study = STUDY,
) -> Evidence:
    """The whole record of a sweep of ``study`` in which the arms are as ``truths`` says."""
    rng = np.random.default_rng(seed)
    truths = truths or {"mdn": Truth(cos=(0.7, 0.2), ratio=(0.5, 0.05)), "vmf": Truth()}
    shared = rng.normal(0, 1, speakers)  # a speaker who is easy for one arm is easy for the other
    arms = {name: _arm(rng, name, truth, replicates, speakers, shared) for name, truth in truths.items()}
    baseline = scores(rng, (NOISE, -0.05), (0.7, 0.1), 0.0, speakers, effects=0.03 * shared)
    baseline.sums = {k: v for k, v in baseline.sums.items() if "nll" not in k and "log" not in k}
    still = scores(rng, (0, 0), (0, 0), 0.0, speakers)
    still.sums, still.counts = {"cos": 0 * still.sums["cos"]}, {"cos": 0 * still.counts["cos"]}
    return Evidence(
        study=study.name,
        arms=arms,
        data={
            "path": "latents/control-directional",
            "representation": codec or "control:directional",
            "codec": codec,
            "dim": 32,
            "frame_rate": FRAME_RATE,
            "hash": "d" * 64,
            "speakers": {"train": 24, "validation": 12, "test": speakers},
            "frames": {"train": 96_000, "validation": 24_000, "test": 24_000},
            "world": world,
        },
        baselines={"mean": baseline.to_json(), "persistence": still.to_json()},
        provenance={
            "command": "python -m orchestrator.sweep vmf_vs_mdn --trials 12 --replicates 6",
            "git_commit": "0123456789abcdef",
            "versions": {"python": "3.11.7", "torch": "2.9.1", "ray": "2.53.0"},
            "device": "cpu",
            "started": "2026-11-23T02:44:00",
            "seconds": 312.4,
            "workers": 1,
            "criteria_hash": criteria_hash(study),
        },
        plants={name: OPTIMA for name in _representations(codec or "control:directional", truths)},
        exhibits=[_exhibit(i, list(truths)) for i in range(exhibits)],
        seal={"study": declared(study), "arms": {}, "seeds": list(range(replicates)), "code": "c" * 16},
        assays=[
            Assay(world, expected, expected, "as it should be", "c" * 16, f"runs/assay-{world}")
            for world, expected in study.controls.items()
        ],
    )


def _representations(first: str, truths: dict[str, Truth]) -> set[str]:
    return {first, *(truth.config.get("representation", first) for truth in truths.values())}


def _arm(rng, name: str, truth: Truth, replicates: int, speakers: int, shared: np.ndarray) -> ArmEvidence:
    effects = truth.speaker_sd * shared
    lanes = [_replicate(rng, truth, seed, Surrogate.REAL, speakers, effects) for seed in range(replicates)]
    for lane in lanes[: truth.diverged]:
        lane.status, lane.scores, lane.listening = LaneStatus.DIVERGED, None, []
    heads = {"mdn": {"components": 4}, "vmf": {"kappa_prior": 0.003, "kappa_prior_ratio": 1.4}}
    head = {"head": name, **heads[name]} if name in heads else {"head": "mdn"}
    settings = {**STUDY.fixed, **head, "learning_rate": 0.0042, "rollout": 16, "feedback": "mean"}
    config = LaneConfig.of(settings)
    return ArmEvidence(
        name=name,
        config=config | truth.config,
        explored=[_exploration(rng, i, config, truth) for i in range(12)],
        replicates=lanes,
        nulls=[_replicate(rng, truth, 100, s, speakers, effects) for s in NULLS],
        ridge={} if truth.ridge is None else _ridge(truth, speakers, effects),
        plants=[
            _replicate(np.random.default_rng([7, seed]), truth, seed, plant, speakers, effects)
            for plant in PLANTS
            for seed in range(min(replicates, 3))
        ],
    )


def _ridge(truth: Truth, speakers: int, effects) -> dict[str, Any]:
    calm = np.random.default_rng(3)
    return scores(calm, truth.ridge, truth.ratio, truth.information, speakers, 0.001, 0.0, effects).to_json()


def _replicate(rng, truth: Truth, seed: int, surrogate: Surrogate, speakers: int, effects) -> Replicate:
    kinds = (Surrogate.REAL, *NULLS, *PLANTS)
    known = dict(zip(kinds, (1.0, 0.0, 0.6, 1.0, 1.0), strict=True))
    cosines = (truth.cos, truth.white, truth.gaussian, truth.kept, truth.lost)
    cos = dict(zip(kinds, cosines, strict=True))[surrogate]
    information = known[surrogate] * truth.information
    judged = scores(rng, cos, truth.ratio, information, speakers, truth.speaker_sd, truth.seed_sd, effects)
    history = [
        {
            "epoch": e,
            "phase": "teacher" if e < 3 else "rollout",
            "loss": 90.0 - e,
            "cos@16": cos[1] - truth.late_gain * (5 - e),
        }
        for e in range(6)
    ]
    courses = {"rollout": {"out_of_patience": truth.patient, "best_epoch": 2, "best_loss": -0.3}}
    listening = []
    if truth.quality is not None and surrogate == "real":
        listening = [
            {
                "utterance_id": f"u{s}-{u}",
                "speaker_id": f"speaker-{s:02d}",
                "continuation_quality": float(truth.quality + 0.3 * effects[s] + rng.normal(0, 0.02)),
            }
            for s in range(min(speakers, 8))
            for u in range(2)
        ]
    return Replicate(
        seed, surrogate, LaneStatus.FINISHED, judged.to_json(), history, 48_231, listening, courses=courses
    )


def _exploration(rng, index: int, config: LaneConfig, truth: Truth) -> Exploration:
    diverged = index == 5
    objective = None if diverged else float(truth.cos[1] - 0.2 * rng.exponential())
    drawn = config | {"learning_rate": float(10 ** rng.uniform(-3, -2))}
    status = LaneStatus.DIVERGED if diverged else LaneStatus.FINISHED
    return Exploration(index, drawn, objective, status, 6.5)


def _exhibit(index: int, arms: list[str]) -> Exhibit:
    wav = _tone(220 * (index + 1))
    clips = {"original": wav, "codec reconstruction": wav, **{arm: wav for arm in arms}}
    return Exhibit(f"1089-134686-{index:04d}", "1089", 0.32, clips)


def _tone(hertz: float, seconds: float = 0.3, rate: int = 16_000) -> bytes:
    samples = 9000 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()
