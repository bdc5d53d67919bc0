"""The loop reaches what can be reached in worlds whose answer is known, and finds nothing where there is
nothing.
"""

from pathlib import Path

import pytest

from trainables.latents.controls import write_world
from trainables.latents.store import LatentDataset, open_dataset
from trainables.latents.windows import Feed
from trainables.predictor.config import Lane, Structure
from trainables.predictor.scores import Scores
from trainables.predictor.train import SoloContext, train_pack


def judged_on_test(world: LatentDataset, structure: Structure) -> Scores:
    def feed(split: str) -> Feed:
        return Feed(
            lambda: world.tables(split), rms=world.rms, lattice_step=None, frame_rate=world.meta.frame_rate
        )

    (result,) = train_pack(
        structure, [Lane(seed=1)], feed("train"), feed("test"), SoloContext(), evaluate_each_epoch=False
    )
    assert result.scores is not None
    return Scores.from_json(result.scores)


def test_directional_world_is_solved(tmp_path: Path) -> None:
    write_world("directional", tmp_path)
    world = open_dataset(tmp_path)
    scores = judged_on_test(world, Structure(head="vmf", teacher_epochs=2, rollout_epochs=1))
    assert world.meta.world is not None
    optimum = world.meta.world["optimum"]
    assert scores.value("cos@1") == pytest.approx(optimum["cos"][0], abs=0.03)
    assert scores.value("cos@16") == pytest.approx(optimum["cos"][15], abs=0.03)
    assert scores.value("log_magnitude_r2") < 0.05  # nobody can know the magnitude


def test_white_world_gives_a_cosine_of_070_and_no_information(tmp_path: Path) -> None:
    write_world("white", tmp_path)
    scores = judged_on_test(open_dataset(tmp_path), Structure(head="vmf", teacher_epochs=2, rollout_epochs=2))
    assert scores.value("cos@1") == pytest.approx(0.70, abs=0.02)
    assert scores.value("cos@16") == pytest.approx(0.0, abs=0.03)
    assert scores.value("predictive_information") == pytest.approx(0.0, abs=1.5)  # of 45 nats per frame
    assert scores.value("dnll") < -8  # what a density of delta makes of noise: -(D/2) ln 2 = -11
