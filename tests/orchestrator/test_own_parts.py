"""A study, a head and a codec of a user's own, from a folder outside this repository to what is sealed."""

import json

import numpy as np
import pytest

from orchestrator.datasets.collection import open_collection
from orchestrator.lifecycle.sealing import make_seal
from orchestrator.planning.plan import make_plan
from orchestrator.records.seal import breaches, write_seal
from orchestrator.records.study_code import code_of_study
from orchestrator.records.study_file import load_study
from tests.orchestrator.tiny_world import SPEAKERS, command
from tests.own_files import begin, user_folder, write
from trainables.conformance.codecs import made_sounds
from trainables.conformance.small_feeds import feed_of_paths, small_evaluation
from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec
from trainables.latents.storage.dataset import LatentMeta, Utterance, write_utterances
from trainables.own_parts.registry import NAMED, name_parts
from trainables.own_parts.source import source_hash
from trainables.predictor.scores import LaneStatus
from trainables.training_context import SoloContext

CODEC, HEAD = "mulaw_frames:MulawFrames", "laplace_head:LaplaceHead"


@pytest.fixture
def folder(tmp_path):
    with user_folder(tmp_path) as here:
        begin(here, study="my_question", head="laplace_head", codec="mulaw_frames")
        text = (here / "my_question.py").read_text().replace('"head": "vmf"', f'"head": "{HEAD}"')
        write(here, my_question=text.replace("PARTS = ()", f"PARTS = ({CODEC!r},)"))
        yield here


def encoded(folder):
    """Latents of the user's codec in a folder, of sounds that differ by speaker; and their paths."""
    name_parts([CODEC])
    codec, paths, rows = load_codec(CODEC, None), {}, []
    for number, (split, speaker) in enumerate((s, f"{s}-{i}") for s, n in SPEAKERS.items() for i in range(n)):
        sound = made_sounds(codec.sample_rate)[number % 2] * (1 - 0.05 * number)
        paths[speaker] = codec.encode(sound)[None]
        unknown = np.full(paths[speaker].shape[1], np.nan, np.float32)
        rows.append(Utterance(speaker, speaker, split, paths[speaker][0], unknown, unknown, unknown))
    meta = LatentMeta(CODEC, codec.dim, codec.frame_rate, CODEC, codec.hash, None, "none", None)
    write_utterances(folder / "latents" / "mulaw.parquet", rows, meta)
    return paths


def test_own_study_head_and_codec_are_trained_and_sealed(folder, monkeypatch):
    paths = encoded(folder)
    monkeypatch.setenv(NAMED, "")
    with pytest.raises(InputError, match="is named by a record alone, which runs no code"):
        open_collection(["latents"])  # which name the codec
    study = load_study("my_question.py")
    collection = open_collection(["latents"])
    plan = make_plan(study, smoke=True, frame_rates=collection.frame_rates)
    feed = feed_of_paths(paths)
    winners = {}
    for arm in plan.study.arms:
        config = winners[arm.name] = plan.lane_config(
            {**plan.fixed(arm), "feedback": "mean", "dtype": "float64"}
        )
        (result,) = config.trainable.train(
            config.structure, [config.lane], feed, small_evaluation(feed, feed), SoloContext()
        )
        assert result.status is LaneStatus.FINISHED and result.scores is not None
    sealed = make_seal(plan, collection, winners, code_of_study(plan.study))
    assert (
        sealed["study"]["file"] == study.file_hash and sealed["arms"]["candidate"]["settings"]["head"] == HEAD
    )
    write_seal(folder, sealed)
    assert breaches(sealed, folder, sealed) == []
    for part in ("laplace_head.py", "mulaw_frames.py"):
        with (folder / part).open("a") as file:
            file.write("# a remark\n")
    source_hash.cache_clear()
    now = make_seal(plan, collection, winners, code_of_study(plan.study))
    (broken,) = breaches(sealed, folder, now)
    assert broken.startswith("code was ")
    with pytest.raises(InputError, match="encoded by another version of the codec mulaw_frames:MulawFrames"):
        open_collection(["latents"])


@pytest.mark.soak
@pytest.mark.ray
@pytest.mark.timeout(1800)
def test_they_run_to_a_sealed_verdict_on_real_speech(folder, librispeech):
    def run(*words):
        done = command(*words, cwd=folder, timeout=1500)
        return done.returncode, done.stdout + done.stderr

    source = str(librispeech)
    code, said = run("encode", source, "--representation", CODEC, "--limit", "60", "--out", "latents/mulaw")
    assert code == 0, said
    sweep = ("sweep", "my_question.py", "--latents", "latents/mulaw", "--smoke", "--no-ablation")
    code, said = run(*sweep)
    assert code == 0, said
    (folder_of_run,) = (folder / "runs").glob("my_question-*")
    judged, sealed = (
        json.loads((folder_of_run / name).read_text()) for name in ("verdict.json", "sealed.json")
    )
    assert judged["verdict"] in ("GO", "NO-GO", "INCONCLUSIVE"), judged["reason"]
    assert sealed["study"]["file"] and len(sealed["code"].split("-")) == 2
    assert (folder_of_run / "study.py").read_bytes() == (folder / "my_question.py").read_bytes()
    assert run("report", str(folder_of_run))[0] == 2
    with (folder / "my_question.py").open("a") as file:
        file.write("# a remark\n")
    code, said = run("report", str(folder_of_run), "--study", "my_question.py")
    assert code == 3 and said.startswith("INADMISSIBLE")
