"""The same audio under two speakers is refused by what it decodes to; silence does not count."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from tests.trainables.latents.speech.corpora import RATE, tone, write_tones
from trainables.errors import InputError
from trainables.latents.speech.corpus import find_corpus
from trainables.latents.speech.same_audio import require_distinct_audio


def checked(source):
    return require_distinct_audio(find_corpus(source).recordings)


def test_one_file_under_two_speakers(cases):
    with pytest.raises(InputError, match="hold the same audio, and are by a in .* and by c in"):
        checked(cases / "metadata-same_file_twice")


def test_a_trial_of_a_layout_with_one_clip_is_told_so(cases):
    assert "all 7 recordings hold the same audio" in checked(cases / "layout-libritts")[0]


def test_what_cannot_be_read_is_not_counted_among_equal_recordings(cases):
    assert "all 3 recordings hold the same audio" in checked(cases / "layout-m4a_mixed")[0]


def test_another_format_does_not_hide_it(tmp_path):
    write_tones(tmp_path, "a/1.wav", "b/1.wav", "c/1.wav")
    assert checked(tmp_path) == []
    samples, _ = soundfile.read(tmp_path / "a/1.wav", dtype="int16")
    soundfile.write(tmp_path / "c/2.flac", np.stack([samples, samples], 1), RATE)
    with pytest.raises(InputError, match=r"a/1\.wav and .*c/2\.flac hold the same audio"):
        checked(tmp_path)


def test_equal_beginnings_are_not_equal_recordings(tmp_path):
    write_tones(tmp_path, "b/1.wav")
    pause = np.zeros(RATE // 2)
    for speaker in "ac":
        (tmp_path / speaker).mkdir()
        soundfile.write(tmp_path / speaker / "1.wav", np.concatenate([pause, tone(ord(speaker))]), RATE)
        soundfile.write(tmp_path / speaker / "silence.wav", pause, RATE)
        (tmp_path / speaker / "broken.wav").write_text("no audio")
    assert checked(tmp_path) == []


def test_a_double_of_the_same_speaker_is_a_warning(tmp_path):
    write_tones(tmp_path, "a/1.wav", "b/1.wav")
    (tmp_path / "a/copy.wav").write_bytes((tmp_path / "a/1.wav").read_bytes())
    assert "1 recording repeats" in checked(tmp_path)[0]


def test_one_split_or_another_of_one_list(tmp_path):
    write_tones(tmp_path, "1.wav", "2.wav", "3.wav")
    (tmp_path / "copy.wav").symlink_to("1.wav")
    rows = "u1,a,1.wav,train\nu2,b,2.wav,test\nu3,c,3.wav,train\nu4,b,copy.wav,test\n"
    (tmp_path / "metadata.csv").write_text(f"utterance_id,speaker_id,path,split\n{rows}")
    with pytest.raises(InputError, match="by a in train and by b in test"):
        checked(tmp_path)
