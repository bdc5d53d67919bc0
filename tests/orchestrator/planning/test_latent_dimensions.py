"""One dimension has no directions: an arm that predicts them is refused before anything starts."""

import numpy as np
import pytest

import search_spaces
from orchestrator.datasets.collection import open_collection
from orchestrator.planning.latent_dimensions import require_directions
from orchestrator.planning.plan import make_plan
from trainables.errors import InputError
from trainables.latents.storage.parquet_file import LatentMeta, Utterance, write_utterances


def collection(folder, dim):
    rng, unknown = np.random.default_rng(0), np.full(8, np.nan)
    rows = [
        Utterance(f"u{i}", f"s{i}", split, rng.normal(size=(8, dim)), unknown, unknown, unknown)
        for i, split in enumerate(["train", *["validation"] * 2, *["test"] * 3])
    ]
    write_utterances(
        folder / "part-00000.parquet", rows, LatentMeta("x", dim, 50.0, None, "", None, "", None)
    )
    return open_collection([str(folder)])


@pytest.mark.parametrize(("dim", "refused"), [(1, True), (2, False)])
def test_polar_heads_need_two_dimensions(tmp_path, dim, refused):
    plan = make_plan(search_spaces.load("vmf_vs_mdn"), smoke=True)
    if refused:
        with pytest.raises(InputError, match="latents of 1 dimension, and arm 'vmf' predicts directions"):
            require_directions(plan, collection(tmp_path, dim))
    else:
        require_directions(plan, collection(tmp_path, dim))
