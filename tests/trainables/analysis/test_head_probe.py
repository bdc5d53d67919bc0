"""Heads trained for a diagnosis, on control worlds whose predictive information is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainables.analysis.head_probe import STRUCTURES, head_in_words, head_scores
from trainables.latents.batching.feed import Feed
from trainables.latents.storage.dataset import LatentDataset, open_dataset
from trainables.latents.worlds.catalogue import write_world
from trainables.predictor.scores import Scores

pytestmark = pytest.mark.slow


def told(name: str, folder: Path, head: str) -> tuple[Scores, LatentDataset]:
    write_world(name, folder)
    dataset = open_dataset(folder)
    sides = [
        Feed(
            lambda splits=splits: (table for split in splits for table in dataset.tables(split)),
            rms=dataset.rms,
            lattice_step=None,
            frame_rate=dataset.meta.frame_rate,
        )
        for splits in (("train",), ("validation", "test"))
    ]
    return head_scores(STRUCTURES[head], *sides)["real"], dataset


def test_a_mixture_learns_what_the_past_tells_of_a_gaussian_world(tmp_path: Path) -> None:
    scores, dataset = told("gaussian", tmp_path, "mdn")
    truth = dataset.meta.world["optimum"]["predictive_information"]
    assert scores.value("predictive_information_gaussian") == pytest.approx(truth, rel=0.1)
    assert scores.value("predictive_information") == pytest.approx(truth, rel=0.1)
    assert scores.value("one_step_cosine") == pytest.approx(
        dataset.meta.world["optimum"]["one_step_cosine"], abs=0.03
    )


@pytest.mark.parametrize(
    "head", [pytest.param(head, marks=pytest.mark.soak if i else ()) for i, head in enumerate(STRUCTURES)]
)
def test_heads_find_next_to_no_information_in_white_noise(head: str, tmp_path: Path) -> None:
    scores, dataset = told("white", tmp_path, head)
    assert abs(scores.value("predictive_information")) < 0.03 * dataset.meta.dim
    assert scores.value("one_step_cosine") == pytest.approx(0.7, abs=0.02)
    assert not any(name.startswith(("cos", "magnitude_ratio", "energy")) for name in scores.sums)
    assert head in head_in_words(STRUCTURES[head])
