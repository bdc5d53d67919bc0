"""Layouts of corpora: the speaker is the speaker, nothing vanishes, and what cannot be told is refused."""

from __future__ import annotations

import os
import shutil
import unicodedata
from pathlib import Path

import pytest

from tests.trainables.latents.speech.corpora import write_tones
from tests.trainables.latents.speech.test_corpus import splits_of, touch
from trainables.errors import InputError
from trainables.latents.speech.corpus import Corpus, find_corpus


def speakers(corpus: Corpus) -> set[str]:
    return {recording.speaker_id for recording in corpus.recordings}


# Cases


def test_libritts(cases):
    corpus = find_corpus(cases / "layout-libritts")
    assert splits_of(corpus) == {
        **dict.fromkeys(("84", "103", "911"), "train"),
        **dict.fromkeys(("174", "251"), "validation"),
        **dict.fromkeys(("61", "121"), "test"),
    }
    assert "84_12_000001_000000" in {recording.utterance_id for recording in corpus.recordings}


def test_vctk(cases):
    corpus = find_corpus(cases / "layout-vctk")
    assert speakers(corpus) == {"p225", "p226", "p227"} and len(set(splits_of(corpus).values())) == 3


def test_a_linked_subset(cases, tmp_path):
    shutil.copytree(cases / "layout-linked", tmp_path / "speech")
    (tmp_path / "speech/test-clean").symlink_to(cases / "layout-linked-test-clean")
    corpus = find_corpus(tmp_path / "speech")
    assert {s for s, split in splits_of(corpus).items() if split == "test"} == {"201", "202", "203"}
    assert len(corpus.recordings) == 7 and not corpus.not_taken


def test_audio_that_cannot_be_read_is_left_out_by_name(cases):
    corpus = find_corpus(cases / "layout-m4a_mixed")
    assert [path.name for path, _ in corpus.not_taken] == ["two.webm", "one.m4a", "one.m4a"]
    assert all("cannot be read" in why for _, why in corpus.not_taken)
    assert {recording.utterance_id for recording in corpus.recordings} == {
        "a/one",
        "b/one",
        "c/one",
        "c/three",
    }


# Others of each kind


def test_mls_in_a_folder_of_its_own(tmp_path):
    names = [f"mls_polish/{part}/audio/{s}/7/{s}_7_00000{i}.flac" for part, s in SPOKEN for i in (1, 2)]
    corpus = find_corpus(touch(tmp_path, *names))
    assert splits_of(corpus) == {"10": "train", "11": "train", "12": "validation", "13": "test"}
    assert len(corpus.recordings) == 8 and not corpus.strays


SPOKEN = (("train", "10"), ("train", "11"), ("dev", "12"), ("test", "13"))


def test_vctk_with_two_microphones_below_two_folders(tmp_path):
    names = [
        f"VCTK-Corpus-0.92/wav48_silence_trimmed/{s}/{s}_001_mic{m}.flac"
        for s in "p225 s5".split()
        for m in "12"
    ]
    assert speakers(find_corpus(touch(tmp_path, *names))) == {"p225", "s5"}


def test_common_voice(tmp_path):
    touch(tmp_path / "en/clips", *(f"{number}.mp3" for number in range(5)))
    for table, rows in {
        "train": "ann\t0.mp3\nann\t1.mp3\n",
        "dev": "bob\t2.mp3\n",
        "test": "cy\t3.mp3\n",
    }.items():
        (tmp_path / f"en/{table}.tsv").write_text(
            f"client_id\tpath\tsentence\n{rows}".replace("3\n", '3\tsay "hi\n')
        )
    corpus = find_corpus(tmp_path)
    assert splits_of(corpus) == {"ann": "train", "bob": "validation", "cy": "test"}
    assert corpus.strays == (tmp_path / "en/clips/4.mp3",)
    for table in ("train", "dev", "test"):
        (tmp_path / f"en/{table}.tsv").unlink()
    (tmp_path / "en/validated.tsv").write_text("client_id\tpath\nann\t0.mp3\nbob\t4.mp3\n")
    assert speakers(find_corpus(tmp_path)) == {"ann", "bob"}


def test_subsets_with_a_folder_per_speaker(tmp_path):
    names = ["train/ann/1.wav", "train/cy/1.wav", "dev/bob/1.wav", "test/dan/1.wav", "train/dan/2.wav"]
    corpus = find_corpus(touch(tmp_path, *names))
    assert splits_of(corpus) == {"ann": "train", "cy": "train", "bob": "validation", "dan": "test"}
    assert "1 speaker is in several subsets, such as dan in test and train" in corpus.warnings[0]


@pytest.mark.parametrize(
    "names",
    [
        ["female/f1/1.wav", "male/m1/1.wav", "male/m2/1.wav"],
        ["f1/session1/1.wav", "m1/session1/1.wav", "m2/session2/1.wav"],
        ["f1/1.wav", "m1/take/2.wav", "m2/take/3.wav"],
    ],
)
def test_a_folder_per_speaker_with_others_above_or_below(tmp_path, names):
    assert speakers(find_corpus(touch(tmp_path, *names))) == {"f1", "m1", "m2"}


@pytest.mark.parametrize(
    "names",
    [
        ["wav/id1/clip/1.wav", "wav/id2/clip/1.wav"],  # VoxCeleb: is it id1 or clip?
        ["ann/monday/1.wav", "ann/tuesday/1.wav"],  # one folder, so perhaps its folders are the speakers
        ["train/DR1/FCJF0/SA1.WAV", "test/DR1/MDAB0/SA1.WAV"],  # TIMIT: regions come first
        ["wavs/1.wav", "wavs/2.wav"],
        ["big/p1/p1_1.wav", "big/p2/p2_1.wav", "old/p3/p3_1.wav", "old/p4/p4_1.wav"],
        ["train/1.wav", "test/2.wav"],
        ["ann/1.wav", "wavs/bob/2.wav"],
        ["2019/ann/1.wav", "2020/ann/1.wav", "2020/bob/1.wav"],
    ],
)
def test_who_speaks_cannot_be_told(tmp_path, names):
    with pytest.raises(InputError, match="does not say who speaks .*--speaker-from"):
        find_corpus(touch(tmp_path, *names))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("id[0-9]+", None),
        ("wav/(id[0-9]+)/", {"id1", "id2"}),
        ("(?P<speaker>id[0-9]+)/(clip)", {"id1", "id2"}),
        ("(clip)(.)", None),
        ("((", None),
        ("(nobody)", None),
    ],
)
def test_a_pattern_tells_the_speaker(tmp_path, pattern, expected):
    touch(tmp_path, "wav/id1/clip/1.wav", "wav/id2/clip/1.wav")
    if expected is None:
        with pytest.raises(InputError, match="--speaker-from"):
            find_corpus(tmp_path, pattern)
    else:
        assert speakers(find_corpus(tmp_path, pattern)) == expected


def test_a_pattern_beats_the_layout_and_names_what_it_does_not_match(tmp_path):
    touch(tmp_path, "day1/ann-1.wav", "day2/ann-2.wav", "day2/bob-1.wav", "day2/noise.wav")
    corpus = find_corpus(tmp_path, r"/([a-z]+)-\d")
    assert speakers(corpus) == {"ann", "bob"} and corpus.strays == (tmp_path / "day2/noise.wav",)


def test_links_are_followed_and_loops_are_not(tmp_path):
    touch(tmp_path / "elsewhere", "1.wav", "2.wav")
    source = touch(tmp_path / "speech", "ann/1.wav")
    (source / "bob").symlink_to(tmp_path / "elsewhere")
    (source / "ann/again").symlink_to(source)
    (source / "ann/up").symlink_to(tmp_path)
    (source / "itself").symlink_to("itself")
    (source / "ann/gone.wav").symlink_to(tmp_path / "nowhere.wav")
    corpus = find_corpus(source)
    assert [r.utterance_id for r in corpus.recordings] == ["ann/1", "bob/1", "bob/2"]
    assert [path.name for path, _ in corpus.left_out] == ["again", "gone.wav", "up"]


def test_a_folder_linked_twice_is_taken_at_its_own_place(tmp_path):
    source = touch(tmp_path, "train-clean-100/20/7/20-7-0000.flac", "test-clean/30/7/30-7-0000.flac")
    (source / "all").symlink_to("train-clean-100")
    corpus = find_corpus(source)
    assert splits_of(corpus)["30"] == "test" and len(corpus.recordings) == 2
    assert [path.name for path, _ in corpus.left_out] == ["all"]


def test_hidden_and_system_folders_are_no_speakers(tmp_path):
    names = [
        "ann/1.wav",
        ".cache/1.wav",
        "__MACOSX/ann/1.wav",
        "bob/@eaDir/1.wav",
        "bob/1.wav",
        ".git/config",
    ]
    corpus = find_corpus(touch(tmp_path, *names))
    assert speakers(corpus) == {"ann", "bob"} and len(corpus.recordings) == 2
    assert [path.name for path, _ in corpus.left_out] == [".cache", "__MACOSX", "@eaDir"]


def test_names_that_are_not_utf8_cost_their_files(tmp_path):
    touch(tmp_path, "ann/1.wav", "bob/1.wav")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/ann/caf\xe9.wav")).touch()
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/j\xfcrgen"))
    touch(folder, "1.wav")
    corpus = find_corpus(tmp_path)
    assert speakers(corpus) == {"ann", "bob"} and len(corpus.recordings) == 2
    assert ["UTF-8" in why for _, why in corpus.left_out] == [True, True]
    with pytest.raises(InputError, match="a name that is not UTF-8"):
        find_corpus(folder)


def test_ids_are_composed_stripped_and_compared(tmp_path):
    decomposed = unicodedata.normalize("NFD", "Zoë")
    write_tones(
        tmp_path, f"{decomposed}/1.wav", "ann /1.wav", "Ann/1.wav", "p1/1.wav", "p01/1.wav", "p10/1.wav"
    )
    corpus = find_corpus(tmp_path)
    assert speakers(corpus) == {"Zoë", "ann", "Ann", "p1", "p01", "p10"}
    assert len(corpus.warnings) == 1 and "'Ann' and 'ann', 'p01' and 'p1';" in corpus.warnings[0]
