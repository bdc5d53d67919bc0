"""What machines hear: each measure tells a copy from noise; some need packages that may not be there."""

from __future__ import annotations

import numpy as np
import pytest

from trainables.latents.encode_recording import read_audio
from trainables.listening.hearing_measures import HEARING_MEASURES, HearingMeasure
from trainables.listening.opinion_score import opinion_score
from trainables.listening.word_recall import common_words

RATE, SECONDS, SPEAKERS = 16000, 2, ("1688", "1998", "2033")
# What goes off when one of these packages is imported, or compiles itself.
OF_OTHERS = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def speech(librispeech) -> list[np.ndarray]:
    """Two seconds of each of a few speakers."""
    files = [min((librispeech / "test-other" / speaker).glob("*.flac")) for speaker in SPEAKERS]
    return [read_audio(file, RATE)[RATE : (1 + SECONDS) * RATE] for file in files]


@OF_OTHERS
@pytest.mark.parametrize("measure", HEARING_MEASURES, ids=lambda measure: measure.name.split(",")[0])
def test_a_copy_is_the_ceiling_and_noise_is_far_below(measure: HearingMeasure, speech) -> None:
    _skip_if_left_out(measure)
    noise = 0.05 * np.random.default_rng(0).standard_normal(SECONDS * RATE).astype(np.float32)
    true, *others = speech
    copy, wrong = (measure.score(true, heard, others, RATE) for heard in (true, noise))
    assert copy is not None and wrong is not None
    assert measure.sign * copy > measure.sign * wrong + 0.2
    assert measure.score(true, true.copy(), others, RATE) == pytest.approx(copy, abs=1e-5)


@OF_OTHERS
def test_each_network_hears_what_its_caution_says(speech) -> None:
    for name, of_another in (("opinion", (0.7, 2.0)), ("speaker", (0.2, 0.9)), ("word", (0.0, 0.3))):
        (measure,) = (m for m in HEARING_MEASURES if m.name.startswith(name))
        _skip_if_left_out(measure)
        own, other = (measure.score(speech[0], heard, speech[1:], RATE) for heard in speech[:2])
        assert own is not None and other is not None
        assert of_another[0] <= other / own <= of_another[1], name


def _skip_if_left_out(measure: HearingMeasure) -> None:
    if why := measure.why_left_out(speech=True):
        pytest.skip(f"{measure.name}: {why}")


def test_a_measure_whose_package_is_missing_says_how_to_install_it_and_tones_are_no_speech() -> None:
    never = HearingMeasure("never", lambda *_: 1.0, sign=1, packages=("json", "no_such_package"))
    there = HearingMeasure("there", lambda *_: 1.0, sign=1, packages=("json",))
    assert (
        never.why_left_out(speech=True) == "not installed: pip install -c constraints.txt -e '.[listening]'"
    )
    assert there.why_left_out(speech=True) == ""
    assert {m.why_left_out(speech=False) for m in (never, there)} == {"asked of speech alone"}
    plain = [measure for measure in HEARING_MEASURES if not measure.packages]
    assert [measure.why_left_out(speech) for measure in plain for speech in (True, False)] == [""] * 4


def test_a_sound_that_is_too_long_is_refused_before_a_network_is_loaded() -> None:
    with pytest.raises(ValueError, match="score it in parts"):
        opinion_score(np.zeros(8 * RATE, np.float32), RATE)


@pytest.mark.parametrize(
    ("said", "heard", "common"),
    [
        ("there is iron in all our blood", "there is iron in all our blood", 7),
        ("there is iron in all our blood", "iron is in our blood", 4),
        ("a b c d", "d c b a", 1),
        ("a a b", "a", 1),
        ("a b", "", 0),
        ("", "a", 0),
    ],
)
def test_words_in_common_are_counted_in_order(said: str, heard: str, common: int) -> None:
    assert common_words(said.split(), heard.split()) == common
    assert common_words(heard.split(), said.split()) == common
