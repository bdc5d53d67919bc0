"""Lists that people write: what is wrong with one is a sentence with the file and the line."""

from __future__ import annotations

import pytest

from tests.trainables.latents.speech.corpora import write_tones
from tests.trainables.latents.speech.test_corpus import splits_of, touch
from trainables.errors import InputError
from trainables.latents.speech.corpus import find_corpus

HEADER = b"utterance_id,speaker_id,path\n"


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("metadata-latin1", r"metadata\.csv, line 2: the byte 0xfc is not UTF-8"),
        ("metadata-utf16", r"metadata\.csv, line 1: this is UTF-16"),
        ("metadata-unclosed_quote", r"metadata\.csv, line 2: a quote is never closed"),
        ("metadata-header_only", r"metadata\.csv has no rows"),
    ],
)
def test_a_list_that_cannot_be_read(cases, case, message):
    with pytest.raises(InputError, match=message):
        find_corpus(cases / case)


def test_ids_with_spaces(cases):
    corpus = find_corpus(cases / "metadata-trail_space")
    assert [(r.utterance_id, r.speaker_id) for r in corpus.recordings] == [
        ("u1", "a"),
        ("u2", "a"),
        ("u3", "A"),
        ("u4", "c"),
    ]
    assert all(recording.path.exists() for recording in corpus.recordings)
    assert len(corpus.warnings) == 1 and "'A' and 'a'" in corpus.warnings[0]


def test_a_split_that_is_given_wins_over_names(cases):
    corpus = find_corpus(cases / "metadata-libri_with_split")
    assert splits_of(corpus) == {
        **dict.fromkeys(("11", "22", "33"), "train"),
        "44": "validation",
        **dict.fromkeys(("55", "66"), "test"),
    }


def test_paths_of_windows(cases):
    assert all(r.path.exists() for r in find_corpus(cases / "metadata-backslash").recordings)


# Others of each kind


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER + b"u1,a,a/1.wav\nu2,b,caf\x8e.wav\n", r"line 3: the byte 0x8e is not UTF-8"),
        ("utterance_id,speaker_id,path\nu1,a,x.wav\n".encode("utf-16-be"), "line 1: this is UTF-16"),
        (HEADER + b'u1,a,x.wav\nu2,"b,y.wav\nu3,c,z.wav\n', "line 3: a quote is never closed"),
        (HEADER + b'u1,a,"x.wav\nu2,b,"y.wav"\nu3,c,z.wav\n', "line 2: a quote is not closed on its line"),
        (b"\n\n" + HEADER, "has no rows"),
        (HEADER + b"u1,a\n", "line 2: path is empty"),
        (HEADER + b"u1, ,x.wav\n", "line 2: speaker_id is empty"),
    ],
)
def test_other_faults_of_lists(tmp_path, content, message):
    (tmp_path / "metadata.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        find_corpus(tmp_path)


def test_semicolons_windows_lines_and_a_quoted_text_of_two_lines(tmp_path):
    write_tones(tmp_path, "a/1.wav", "b/2.wav", "c/3.wav")
    rows = 'utterance_id; Speaker_id; path; text\r\nu1;ann;a\\1.wav;"two\r\nlines"\r\nu2;bob;b/2.wav;x\r\n'
    (tmp_path / "metadata.csv").write_bytes(rows.replace("Speaker", "speaker").encode("utf-8-sig"))
    corpus = find_corpus(tmp_path)
    assert [(r.speaker_id, r.path.exists()) for r in corpus.recordings] == [("ann", True), ("bob", True)]
    assert corpus.strays == (tmp_path / "c/3.wav",)


def test_a_list_without_splits_leaves_librispeech_alone(tmp_path):
    touch(tmp_path, "train-clean-100/20/7/20-7-0000.flac", "test-clean/30/7/30-7-0000.flac")
    (tmp_path / "metadata.csv").write_text("id|text\n20-7-0000|hello\n")
    assert find_corpus(tmp_path).layout == "LibriSpeech"


def test_a_pattern_stands_for_the_column_of_speakers(tmp_path):
    touch(tmp_path, "ann-1.wav", "bob-1.wav")
    (tmp_path / "metadata.csv").write_text("utterance_id,path,split\nu1,ann-1.wav,train\nu2,bob-1.wav,test\n")
    assert splits_of(find_corpus(tmp_path, "^([a-z]+)-")) == {"ann": "train", "bob": "test"}
