"""The distortions that codecs make themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from trainables.analysis.codec_distortion import BITS, CODEBOOKS, codec_distortions
from trainables.latents.codec_registry import QUANTISED
from trainables.latents.speech.corpus import find_corpus
from trainables.latents.storage.parquet_file import LatentMeta

META = LatentMeta(
    representation="soundstream",
    dim=64,
    frame_rate=50.0,
    codec="soundstream",
    codec_hash="",
    weights=None,
    corpus_hash="",
    lattice_step=0.26,
)


def test_every_codec_with_a_quantiser_has_an_operating_point() -> None:
    assert set(CODEBOOKS) == set(BITS) == set(QUANTISED)


def test_a_lattice_errs_by_a_twelfth_of_its_step_squared_in_every_dimension() -> None:
    (lattice,), why = codec_distortions(META, [])
    assert lattice.squared_error == pytest.approx(64 * 0.26**2 / 12) and lattice.nominal is None
    assert why == "its audio is not known"


def test_a_representation_that_is_not_quantised_has_no_distortion_of_its_own() -> None:
    found, why = codec_distortions(replace(META, representation="logmel", lattice_step=None), [])
    assert found == [] and "neither" in why


def test_a_quantiser_errs_less_with_more_codebooks(librispeech: Path, lyra: Path) -> None:
    meta = replace(META, source=str(librispeech), weights=str(lyra))
    heard = [r.utterance_id for r in find_corpus(librispeech).recordings if r.split == "train"][:2]
    (_, published), why = codec_distortions(meta, heard)
    assert not why and published.nominal == 9200 and not published.behind
    (few,), _ = codec_distortions(replace(meta, representation="soundstream-q8", lattice_step=None), heard)
    assert few.nominal == 1600 and few.behind
    assert 0 < published.squared_error < 0.5 * few.squared_error


def test_audio_that_is_gone_leaves_the_quantiser_unknown(librispeech: Path, lyra: Path, tmp_path) -> None:
    gone = replace(META, source=str(tmp_path / "gone"), weights=str(lyra))
    found, why = codec_distortions(gone, ["a"])
    assert [d.cause for d in found] == ["lattice"] and "gone" in why
    found, why = codec_distortions(replace(META, source=str(librispeech), weights=str(lyra)), ["a"])
    assert [d.cause for d in found] == ["lattice"] and "no longer holds" in why
