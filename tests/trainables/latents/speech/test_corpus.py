"""Who speaks, and in which split: by layout, without a speaker in two, the same in every run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from trainables.errors import InputError
from trainables.latents.speech.corpus import Corpus, Recording, find_corpus
from trainables.latents.speech.splits import split_by_subset, split_speakers


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def splits_of(corpus: Corpus) -> dict[str, str]:
    splits: dict[str, set[str]] = {}
    for recording in corpus.recordings:
        splits.setdefault(recording.speaker_id, set()).add(recording.split)
    assert all(len(found) == 1 for found in splits.values())
    return {speaker: found.pop() for speaker, found in splits.items()}


@pytest.mark.parametrize("speakers", range(1, 12))
def test_few_speakers_are_shared_out(speakers):
    counts = Counter(split_speakers([f"s{i}" for i in range(speakers)]).values())
    assert counts.total() == speakers and counts["train"] >= 1
    if speakers >= 6:
        assert counts["test"] >= 3 and counts["validation"] >= 2


def test_many_speakers_are_shared_out_eight_one_one_and_stay_where_they_are():
    names = [str(i) for i in range(3000)]
    splits = split_speakers(names)
    counts = Counter(splits.values())
    assert counts["test"] == pytest.approx(300, abs=60) and counts["validation"] == pytest.approx(300, abs=60)
    smaller = split_speakers(names[:2000])
    assert all(splits[name] == split for name, split in smaller.items())


def test_official_subsets_are_honoured_and_a_missing_one_is_filled():
    train = {f"t{i}": {"train"} for i in range(200)}
    splits = split_by_subset(train | {"x": {"test"}, "y": {"test", "train"}})
    assert splits["x"] == splits["y"] == "test"
    counts = Counter(splits[name] for name in train)
    assert counts["test"] == 0 and counts["validation"] == pytest.approx(20, abs=12)
    splits = split_by_subset(train | {"x": {"test"}, "v": {"dev"}})
    assert splits["v"] == "validation" and {splits[name] for name in train} == {"train"}
    assert Counter(split_by_subset(train | {"v": {"dev"}}).values())["test"] >= 3


@pytest.mark.parametrize("only", ["train", "test"])
def test_one_subset_alone_is_split_by_hash(only):
    speakers = {f"t{i}": {only} for i in range(50)}
    assert split_by_subset(speakers) == split_speakers(speakers)


def test_librispeech_layout(tmp_path):
    names = [f"train-clean-100/{s}/7/{s}-7-000{i}.flac" for s in range(20, 40) for i in range(2)]
    corpus = find_corpus(touch(tmp_path, *names, "test-clean/99/1/99-1-0000.flac", "test-clean/README.txt"))
    assert len(corpus.recordings) == 41 and corpus.strays == ()
    assert splits_of(corpus)["99"] == "test"
    assert Counter(splits_of(corpus).values())["validation"] >= 2
    assert corpus.recordings[0] == Recording(
        "20-7-0000", "20", splits_of(corpus)["20"], tmp_path / "train-clean-100/20/7/20-7-0000.flac"
    )


def test_part_of_librispeech_and_a_stray_file(tmp_path):
    names = [f"{s}/7/{s}-7-0000.flac" for s in range(20, 30)]
    corpus = find_corpus(touch(tmp_path / "train-clean-100", *names, "noise.wav"))
    assert corpus.strays == (tmp_path / "train-clean-100/noise.wav",)
    assert Counter(splits_of(corpus).values())["test"] >= 3


def test_real_speech(librispeech):
    corpus = find_corpus(librispeech)
    assert len(corpus.recordings) == 290
    splits = splits_of(corpus)
    assert Counter(r.split for r in corpus.recordings)["test"] == 80
    assert all("test-other" in r.path.parts for r in corpus.recordings if r.split == "test")
    counts = Counter(splits.values())
    assert counts["test"] == 8 and 10 <= counts["validation"] <= 32
    assert corpus.hash == find_corpus(librispeech).hash


def test_a_limit_deals_over_splits_and_speakers(librispeech):
    corpus = find_corpus(librispeech)
    few = corpus.first(18)
    assert Counter(r.split for r in few) == {"train": 6, "validation": 6, "test": 6}
    assert len({r.speaker_id for r in few}) == 18
    assert corpus.first(100)[:18] == few
    assert sorted(corpus.first(None), key=lambda r: r.utterance_id) == list(corpus.recordings)


def test_one_folder_per_speaker(tmp_path):
    names = ["ann/monday/1.wav", "ann/2.flac", "bob/1.ogg", "bob/._1.ogg", "bob/notes.txt", "loose.wav"]
    corpus = find_corpus(touch(tmp_path, *names))
    assert [(r.utterance_id, r.speaker_id) for r in corpus.recordings] == [
        ("ann/2", "ann"),
        ("ann/monday/1", "ann"),
        ("bob/1", "bob"),
    ]
    assert corpus.strays == (tmp_path / "loose.wav",)


def test_metadata_with_and_without_splits(tmp_path):
    (tmp_path / "metadata.csv").write_text("path,utterance_id,speaker_id\nx/a.wav,u1,ann\nb.wav,u2,bob\n")
    corpus = find_corpus(tmp_path)
    assert [(r.utterance_id, r.path) for r in corpus.recordings] == [
        ("u1", tmp_path / "x/a.wav"),
        ("u2", tmp_path / "b.wav"),
    ]
    assert splits_of(corpus) == split_speakers(["ann", "bob"])
    (tmp_path / "metadata.csv").write_text(
        "utterance_id,speaker_id,path,split\nu1,ann,a.wav,validation\nu2,bob,b.wav,train\n",
        encoding="utf-8-sig",
    )
    assert splits_of(find_corpus(tmp_path)) == {"ann": "validation", "bob": "train"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("utterance_id,speaker_id\nu1,a", "has no column path"),
        ("utterance_id,speaker_id,path\nu1,,x.wav", "line 2: speaker_id is empty"),
        ("utterance_id,speaker_id,path,split\nu1,a,x,dev", "line 2: split is 'dev'; .* train, validation"),
        ("utterance_id,speaker_id,path,split\nu1,a,x,train\nu2,a,y,test", "line 3: speaker a is in"),
        ("utterance_id,speaker_id,path\nu1,a,x.wav\nu1,b,y.wav", "both utterance u1"),
        ("utterance_id,speaker_id,path", "holds no audio"),
    ],
)
def test_metadata_that_contradicts_itself(tmp_path, lines, message):
    (tmp_path / "metadata.csv").write_text(lines)
    with pytest.raises(InputError, match=message):
        find_corpus(tmp_path)


def test_sources_without_an_answer(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        find_corpus(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no audio file"):
        find_corpus(tmp_path)
    with pytest.raises(InputError, match="does not say who speaks"):
        find_corpus(touch(tmp_path, "a.wav", "b.wav"))


def test_two_files_of_one_name(tmp_path):
    with pytest.raises(InputError, match=r"1\.flac and .*1\.wav are both utterance ann/1"):
        find_corpus(touch(tmp_path, "ann/1.wav", "ann/1.flac"))
