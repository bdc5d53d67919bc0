"""Density and components after confirmation, through Ray, on decodable speech-like latents and on a world
that nothing decodes; and what the report makes of them.
"""

import base64
import json
import wave
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch

from orchestrator.datasets.ray_latents import RayLatents
from orchestrator.execution.auxiliaries import AUXILIARIES_FOLDER
from orchestrator.execution.progress import Progress
from orchestrator.inspection.frame_density import densities
from orchestrator.inspection.mixture_components import mixture_components
from orchestrator.records.evidence import ArmEvidence, Evidence, Replicate
from orchestrator.records.lane_store import LaneStore
from tests.orchestrator.inspection.test_listening import speechlike
from trainables.lane_config import LaneConfig
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.codec_registry import load_codec
from trainables.latents.codecs.meta import meta_of
from trainables.latents.speech.acoustics import energy, spectral_flux
from trainables.latents.storage.dataset import SPLITS, open_dataset
from trainables.latents.storage.parquet_file import LatentMeta, Utterance, write_utterances
from trainables.predictor.model.predictor import Predictor
from trainables.predictor.scores import LaneStatus

EACH = {"train": 5, "validation": 2, "test": 3}  # speakers
CONFIG = {"width": 4, "context": 4, "horizon": 6}
ARMS = {"mdn": {**CONFIG, "head": "mdn", "components": 3}, "vmf": {**CONFIG, "head": "vmf"}}
# Ray's own processes are still running when the last test of a module lets go of them.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Log-mel latents with acoustic tracks, pitch left unknown."""
    out, codec = tmp_path_factory.mktemp("latents"), load_codec("logmel", None)
    hop = round(codec.sample_rate / codec.frame_rate)
    rows = []
    for number, (split, speaker) in enumerate((s, i) for s, count in EACH.items() for i in range(count)):
        audio = speechlike(number, codec.sample_rate)
        z = codec.encode(audio)
        flux = spectral_flux(audio, codec.sample_rate, len(z), hop)
        nothing = np.full(len(z), np.nan, np.float32)
        name = f"{split}{speaker}"
        rows.append(Utterance(f"{name}/0", name, split, z, energy(audio, len(z), hop), nothing, flux))
    meta = meta_of(codec)
    write_utterances(out / "part.parquet", rows, meta)
    return open_dataset(out)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A world without codec or acoustics, in few dimensions."""
    out, rng = tmp_path_factory.mktemp("world"), np.random.default_rng(0)
    rows = []
    for split, count in EACH.items():
        for i in range(count):
            z = 0.3 * rng.standard_normal((120, 3)).cumsum(0) % 4
            rows.append(Utterance(f"{split}{i}/0", f"{split}{i}", split, z, *3 * [np.full(120, np.nan)]))
    meta = LatentMeta("control:walk", 3, 50.0, None, "", None, "", None, world={"name": "walk"})
    write_utterances(out / "part.parquet", rows, meta)
    return open_dataset(out)


def sweep(folder, dim, arms) -> tuple[Evidence, LaneStore]:
    """Lanes of untrained weights in an archive, one of which has lost all numbers and one its weights."""
    archive, evidence = LaneStore(folder / "lanes"), Evidence("vmf_vs_mdn", {}, {}, {}, {})
    for arm, settings in arms.items():
        config = LaneConfig.of(settings)
        own = ArmEvidence(arm, config, [], [], [])
        for seed in (1, 2, 3, 4):
            torch.manual_seed(seed)
            state = {k: v.detach() for k, v in Predictor(config.structure, dim).state_dict().items()}
            if seed == 3:
                state = {k: torch.full_like(v, torch.nan) for k, v in state.items()}
            key = f"{arm}-{seed}"
            if seed < 4:
                torch.save(state, folder / key)
                archive.keep(key, {}, folder / key)
            own.replicates.append(Replicate(seed, Surrogate.REAL, LaneStatus.FINISHED, None, [], 0, key=key))
        evidence.arms[arm] = own
    return evidence, archive


@pytest.fixture(scope="module")
def speech(cluster, dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    evidence, archive = sweep(folder, dataset.meta.dim, ARMS)
    asked = (evidence, dataset, RayLatents.of(dataset, SPLITS), archive, Progress())
    return folder, densities(*asked), mixture_components(*asked), asked


def test_densities_of_every_kind_of_frame_and_of_every_sound_replicate(speech, dataset) -> None:
    folder, found, _, asked = speech
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found["frames"]) == {"true", "noise", "mixed"} and set(found["arms"]) == {"mdn", "vmf"}
    for lanes in found["arms"].values():
        assert [lane["seed"] for lane in lanes] == [1, 2, 3, 4]
        assert [lane["scores"] is None for lane in lanes] == [False, False, True, True]  # missing is not 0
        assert np.shape(lanes[0]["scores"]["sums"]["log_density"]) == (EACH["test"], 6)
    # What is encoded again is compared with itself, from half a second on.
    before, again = (found["reconstructed"][name] for name in ("before", "again"))
    assert before["counts"]["log_density"] == again["counts"]["log_density"] == [125.0] * EACH["test"]
    assert before["sums"]["log_density"] != again["sums"]["log_density"]
    (kept,) = (folder / AUXILIARIES_FOLDER).iterdir()
    made = kept.stat().st_mtime_ns
    assert densities(*asked) == found and kept.stat().st_mtime_ns == made  # fitted once


def test_components_of_the_mixture_are_profiled_and_heard(speech, dataset) -> None:
    found = speech[2]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["arm"], found["archetypes"], found["components"]) == ("mdn", False, 3)
    assert found["features"] == ["spectral_flux", "energy_change", "energy", "magnitude"]  # no pitch is known
    assert set(found["explained"]) == {"responsibility", "gating", "random"}
    heard = [clip for own in found["shown"] for clip in own["exemplars"]]
    assert heard
    rate = load_codec("logmel", None).sample_rate
    for clip in heard:
        sound = wave.open(BytesIO(base64.b64decode(clip["clip"])))
        assert (sound.getsampwidth(), sound.getnchannels()) == (2, 1)
        assert sound.getnframes() == pytest.approx(0.62 * rate, rel=0.01)


def test_without_a_mixture_or_a_codec_there_are_archetypes_and_no_clips(cluster, world, tmp_path) -> None:
    arms = {"vmf": ARMS["vmf"], "mdn": {**ARMS["mdn"], "components": 1}}
    evidence, archive = sweep(tmp_path, 3, arms)
    asked = (evidence, world, RayLatents.of(world, SPLITS), archive, Progress())
    found, density = mixture_components(*asked), densities(*asked)
    assert (found["arm"], found["archetypes"], found["components"]) == (None, True, 8)
    assert found["features"] == ["magnitude"] and density["reconstructed"] is None
    assert not any("clip" in clip for own in found["shown"] for clip in own["exemplars"])
    nobody = replace(asked[2], ids={**asked[2].ids, "validation": []})
    assert densities(evidence, world, nobody, archive, Progress()) == {}
