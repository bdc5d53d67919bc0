"""What is listened to: the choice of clips, the originals, and the score of a decoded continuation."""

import wave
from io import BytesIO

import numpy as np
import pytest
import soundfile
import torch

from orchestrator.inspection.clips import choose_clips, continued, heard_structure, original
from orchestrator.inspection.listening import Voice, _continuations, _score, _speak
from orchestrator.judging.quality_floor import FLOORS
from trainables.lane_config import LaneConfig
from trainables.latents.codec_registry import load_codec
from trainables.latents.codecs.meta import meta_of
from trainables.latents.storage.dataset import open_dataset
from trainables.latents.storage.parquet_file import Utterance, write_utterances
from trainables.predictor.model.predictor import Predictor

SPEAKERS, EACH, SECONDS = 3, 2, 3.4
CONFIG = LaneConfig.of({"head": "mdn", "width": 4, "context": 4, "components": 1})
CODEC = ("logmel", None)


def speechlike(seed, rate):
    """A voice that glides: harmonics of a wandering pitch under a changing envelope."""
    rng, time = np.random.default_rng(seed), np.arange(int(SECONDS * rate)) / rate
    pitch = 120 + 60 * np.sin(2 * np.pi * rng.uniform(0.3, 1.0) * time + rng.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    envelope = 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(1, 3) * time)
    return (0.1 * envelope * sum(np.sin(k * phase) / k for k in range(1, 12))).astype(np.float32)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    source, out = tmp_path_factory.mktemp("audio"), tmp_path_factory.mktemp("latents")
    codec = load_codec(*CODEC)
    rows = []
    for speaker in range(SPEAKERS):
        (source / f"s{speaker}").mkdir()
        for n in range(EACH):
            audio = speechlike(10 * speaker + n, codec.sample_rate)
            soundfile.write(source / f"s{speaker}" / f"{n}.wav", audio, codec.sample_rate, subtype="FLOAT")
            frames = codec.encode(audio)
            nothing = np.full(len(frames), np.nan, np.float32)
            rows.append(
                Utterance(f"s{speaker}/{n}", f"s{speaker}", "test", frames, nothing, nothing, nothing)
            )
    short = np.zeros((60, codec.dim), np.float32)
    rows.append(Utterance("s0/short", "s0", "test", short, *3 * [np.full(60, np.nan, np.float32)]))
    taught = rows[0].latents
    rows.append(Utterance("t/0", "t", "train", taught, *3 * [np.full(len(taught), np.nan, np.float32)]))
    meta = meta_of(codec, source=str(source))
    write_utterances(out / "part.parquet", rows, meta)
    return open_dataset(out)


@pytest.fixture(scope="module")
def clips(dataset):
    return choose_clips(dataset, [CONFIG])


def test_speakers_take_turns_and_short_utterances_are_left_out(clips):
    assert [clip.utterance_id for clip in clips] == ["s0/0", "s1/0", "s2/0", "s0/1", "s1/1", "s2/1"]


def test_a_clip_is_two_seconds_of_context_and_one_to_continue(clips, dataset):
    for clip in clips:
        assert clip.raw_TD.shape == (150, 80) and clip.normalised_CD.shape == (100, 80)
        np.testing.assert_allclose(clip.normalised_CD * dataset.rms, clip.raw_TD[:100], rtol=1e-3, atol=1e-3)


def test_the_original_is_the_same_piece_of_the_recording(clips):
    codec = load_codec(*CODEC)
    clip = clips[2]
    whole = speechlike(20, codec.sample_rate)
    first = round(clip.start * codec.sample_rate / 50)
    np.testing.assert_array_equal(original(clip, codec), whole[first : first + 3 * codec.sample_rate])


def test_an_original_that_is_gone_is_left_out(clips, tmp_path):
    gone = clips[0].__class__(**{**clips[0].__dict__, "source": tmp_path / "gone.wav"})
    assert original(gone, load_codec(*CODEC)) is None


def test_continuations_are_scored_and_heard_and_a_broken_one_is_missing_not_zero(clips, dataset):
    structure = CONFIG.structure
    torch.manual_seed(0)
    weights = {name: tensor.detach() for name, tensor in Predictor(structure, 80).state_dict().items()}
    broken = {name: torch.full_like(tensor, torch.nan) for name, tensor in weights.items()}
    made = _continuations(Voice({0: structure, 1: structure}, {0: weights, 1: broken}), clips, dataset.rms)
    continued_KD = {("mdn", number): latents_BKD[0] for number, latents_BKD in made.items()}
    spoken = [_speak(CODEC, clip) for clip in clips[:3]]
    (whole, start), others = spoken[0], [audio[at:] for audio, at in spoken[1:]]
    mean = clips[0].raw_TD.mean(0)
    scored = _score(CODEC, clips[0], whole, whole[start:], others, continued_KD, mean, True)
    qualities, floors, exhibit = scored
    assert set(floors) == set(FLOORS) and all(0 <= floor < 0.3 for floor in floors.values())
    assert set(qualities) == {("mdn", 0)}
    assert 0 <= qualities["mdn", 0] <= 1
    assert list(exhibit.clips) == ["original", "codec reconstruction", "mdn"]
    lengths = {wave.open(BytesIO(clip)).getnframes() for clip in exhibit.clips.values()}
    assert lengths == {3 * load_codec(*CODEC).sample_rate}
    assert exhibit.context_seconds == 2.0


def test_a_study_of_laws_is_heard_as_drawn_from_them_at_the_temperature_that_was_chosen(clips):
    structure = CONFIG.structure
    torch.manual_seed(0)
    weights = {name: tensor.detach() for name, tensor in Predictor(structure, 80).state_dict().items()}
    assert heard_structure(structure, "", {"temperature": 0.7}) == structure

    def spread(temperature):
        drawn = heard_structure(structure, "sample", {"temperature": temperature})
        assert drawn.temperature == temperature
        runs = [continued(clips[:1], drawn, weights, number, 1.0) for number in range(4)]
        again = continued(clips[:1], drawn, weights, 0, 1.0)
        np.testing.assert_array_equal(runs[0], again)
        # Which other clips are continued beside it makes no difference to one.
        every = continued(clips, drawn, weights, 0, 1.0)
        np.testing.assert_allclose(every[:1], again, rtol=1e-3, atol=1e-3)
        assert len({run.tobytes() for run in every}) == len(clips)
        return np.std(runs, axis=0).mean()

    of_means = [continued(clips[:1], structure, weights, number, 1.0) for number in range(2)]
    np.testing.assert_array_equal(*of_means)
    assert 0 < spread(0.5) < 0.75 * spread(1.0)
