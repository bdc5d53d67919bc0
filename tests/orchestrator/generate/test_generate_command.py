"""Winners continue audio and latents: what the run's own clips are, and a sentence where that cannot be."""

import io
import json
import re
import shutil

import numpy as np
import pytest
import soundfile

from orchestrator.handoff.exported_folder import write_export
from orchestrator.inspection.clips import choose_clips, continued
from orchestrator.records.lane_store import LANES_FOLDER, LaneStore
from tests.orchestrator.handoff.spoken_run import record_of, spoken_run
from tests.orchestrator.tiny_world import write_latents
from trainables.latents.codec_registry import load_codec
from trainables.latents.storage.dataset import open_dataset
from trainables.listening.decode import decode_continuation, wav_bytes

TEST = "test0"  # an utterance


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = spoken_run(tmp_path_factory.mktemp("spoken"))
    write_export(run, record_of(run), "vmf", run / "vmf")
    return run


@pytest.fixture
def generate(run, run_here, tmp_path):
    """The command on the run or another folder, with a recording of the run as its context."""

    def call(*arguments, of=run, context=run.parent / "audio" / TEST / f"{TEST}.wav"):
        return run_here("generate.__main__", str(of), "--context", str(context), *arguments, cwd=tmp_path)

    return call


def own_sound(run, arm):
    """The run's first clip, continued and decoded by its own functions, and where its context ends."""
    record, dataset = record_of(run), open_dataset(run.parent / "latents")
    clip = choose_clips(dataset, [each.config for each in record.arms.values()])[0]
    winner = record.arms[arm]
    weights = LaneStore(run.parent / LANES_FOLDER).weights(winner.replicates[0].key)
    (latents_KD,) = continued([clip], winner.config.structure, weights, 0, dataset.rms)
    codec, read = load_codec("logmel", None), len(clip.normalised_CD)
    assert clip.utterance_id == TEST
    audio, _ = decode_continuation(codec, clip.raw_TD[:read], latents_KD)
    return wav_bytes(audio, codec.sample_rate), (clip.start + read) / dataset.meta.frame_rate


@pytest.mark.parametrize("kind", ["audio", "latents", "exported"])
def test_its_sounds_are_the_clips_of_the_run(run, generate, tmp_path, kind):
    _, at = own_sound(run, "vmf")
    asked = ["--at", str(at), "--seconds", "1", "--out", "new/out.wav"]
    if kind == "latents":
        done = generate(*asked, "--utterance", TEST, context=run.parent / "latents")
    else:
        done = generate(*asked, of=run / "vmf" if kind == "exported" else run)
    assert done.returncode == 0, done.stderr
    assert np.abs(soundfile.read(io.BytesIO(own_sound(run, "mdn")[0]))[0]).max() < 1, "nothing is clipped"
    arms = {"vmf": ""} if kind == "exported" else {"mdn": "-mdn-0", "vmf": "-vmf"}
    for arm, part in arms.items():
        assert (tmp_path / f"new/out{part}.wav").read_bytes() == own_sound(run, arm)[0]
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "out.html",
        *(f"out{part}.wav" for part in arms.values()),
    }


def test_arms_and_seeds_are_heard_beside_each_other_on_one_page(run, generate, tmp_path):
    done = generate("--at", "2", "--seconds", "0.5", "--seed", "3", "--seed", "4", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["out-mdn-3.wav", "out-mdn-4.wav", "out-vmf.wav", "out.html"]
    sounds = [(tmp_path / name).read_bytes() for name in done.stdout.split()[:-1]]
    assert len(set(sounds)) == 3, "seeds and arms differ"
    assert soundfile.info(tmp_path / "out-vmf.wav").duration == pytest.approx(2.5)
    page = (tmp_path / "out.html").read_text()
    names = re.findall(r"<label>(.*?)</label>", page)
    assert names == ["codec reconstruction", "mdn, seed 3", "mdn, seed 4", "vmf"]
    assert page.count("data:audio/wav;base64,") == page.count("data:image/png;base64,") == 4
    assert not re.search(r"(src|href)=[\"'](?!data:|#)", page), "it loads nothing"
    assert re.search(r"vmf</th>.*GO.*mean.*–", page) and re.search(
        r"seed 4</th>.*GO.*sample.*<td[^>]*>1<", page
    )


def test_past_the_end_there_is_nothing_to_compare_with_and_it_reads_what_it_is_told(generate, tmp_path):
    done = generate("--arm", "vmf", "--seconds", "0.2", "--context-seconds", "0.5", "--feedback", "sample")
    assert done.returncode == 0 and done.stdout.split() == ["out.wav", "out.html"]
    assert soundfile.info(tmp_path / "out.wav").duration == pytest.approx(0.7)
    assert re.findall(r"<label>(.*?)</label>", (tmp_path / "out.html").read_text()) == ["vmf, seed 0"]


def test_latents_need_no_codec(run, generate, tmp_path):
    known = json.loads((run / "vmf" / "predictor.json").read_text())
    known["latents"]["codec"] = None
    shutil.copytree(run / "vmf", tmp_path / "mute")
    (tmp_path / "mute" / "predictor.json").write_text(json.dumps(known))
    latents = {"of": tmp_path / "mute", "context": run.parent / "latents"}
    done = generate("--utterance", TEST, "--seconds", "1", "--out", "k.npy", **latents)
    assert done.returncode == 0 and done.stdout.split() == ["k.npy"], done.stderr
    assert np.load(tmp_path / "k.npy").shape == (50, 80)
    deaf = generate("--utterance", TEST, **latents)
    assert deaf.returncode == 2 and "no codec makes logmel latents or decodes them" in deaf.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--arm", "vmff"], "has no arm 'vmff'; it has mdn, vmf"),
        (["--out", "out.mp3"], r"--out is out.mp3; it must end in .wav"),
        (["--seconds", "0"], "--seconds is 0; it must be above 0 and at most 600"),
        (["--context-seconds", "-1"], "--context-seconds is -1"),
        (["--at", "9"], "--at is 9; it must be above 0 and at most 3.40"),
        (["--feedback", "men"], "feedback is 'men'; it must be one of mean, mode, sample"),
        (["--arm", "vmf", "--temperature", "0.9"], "feedback 'mean', which draws nothing"),
        (["--arm", "vmf", "--seed", "1", "--seed", "2"], "--seed is given 2 times, and feedback 'mean'"),
        (["--arm", "mdn", "--temperature", "0"], "temperature is 0"),
        (["--at", "0.04"], "the context has 2 frames, and the mdn arm needs 4"),
        (["--replicate", "6"], "--replicate is 6; the mdn arm .* has finished 0, 1"),
        (["--utterance", "x"], "--utterance is 'x' and --context .* no folder of latents"),
    ],
)
def test_wrong_words_are_one_sentence(generate, arguments, sentence):
    done = generate(*arguments)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert re.search(sentence, done.stderr), done.stderr


def test_what_cannot_be_continued_is_one_sentence(run, generate, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    soundfile.write(tmp_path / "short.wav", 0.1 * np.sin(np.arange(600)), 16_000)
    latents, toy = run.parent / "latents", write_latents(tmp_path / "toy")
    other = json.loads((run / "vmf" / "predictor.json").read_text())
    other["latents"]["codec_hash"] = "0123"
    shutil.copytree(run / "vmf", tmp_path / "other")
    (tmp_path / "other" / "predictor.json").write_text(json.dumps(other))
    for done, sentence in (
        (generate(context=tmp_path / "gone.wav"), r"gone.wav does not exist"),
        (generate(context=tmp_path / "text.wav"), r"text.wav cannot be encoded: "),
        (generate(context=tmp_path / "short.wav"), r"the context has 2 frames|two frames"),
        (generate(context=latents), "holds 4 utterances; name one with --utterance, such as test0"),
        (generate("--utterance", "tst1", context=latents), "has no utterance 'tst1'; did you mean test1"),
        (generate("--utterance", "test0-0", context=toy), "holds toy latents .* continues logmel"),
        (generate(of=tmp_path), "is neither a run that has ended .* nor an exported predictor"),
        (generate(of=tmp_path / "other"), "has hash .* here, and the predictor knows latents of 0123"),
        (generate("--arm", "mdn", of=run / "vmf"), "has no arm 'mdn'; it is an exported vmf"),
        (generate("--replicate", "1", of=run / "vmf"), "holds one replicate; leave it out"),
    ):
        assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
        assert re.search(sentence, done.stderr), done.stderr
    assert not list(tmp_path.glob("out*"))
