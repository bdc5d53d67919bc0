"""What lanes share is fitted once, is what each would have fitted, and is what they are given."""

from dataclasses import replace

import pytest
import torch

from orchestrator.datasets.ray_latents import RayLatents
from orchestrator.execution.auxiliaries import fit_auxiliaries, share_auxiliaries
from orchestrator.execution.ray_tune import Task
from orchestrator.planning.pack import Pack
from orchestrator.records.phase import Phase
from tests.orchestrator.tiny_world import write_latents
from tests.trainables.analysis.small_score import SMALL_SCORE
from trainables.analysis.score_auxiliaries import shared_forecaster, shared_score
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.surrogates import SURROGATES, Surrogate
from trainables.latents.storage.dataset import Split, open_dataset
from trainables.training_context import SoloContext

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SMALL = {**SMALL_SCORE, "trainable": "score", "score_steps": 40, "further_steps": 4}
CODE = "the code"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(write_latents(tmp_path_factory.mktemp("latents")))


@pytest.fixture
def latents(cluster, dataset):
    return RayLatents.of(dataset, (Split.TRAIN, Split.VALIDATION))


def lanes(**settings) -> list[LaneConfig]:
    return [LaneConfig.of({**SMALL, "seed": seed, **settings}) for seed in (1, 2)]


def test_lanes_share_a_score_whatever_their_seed_and_a_forecaster_whatever_is_done_with_it(latents, tmp_path):
    said = []
    wide = lanes(score_width=9)
    configs = [*lanes(), *lanes(surrogate="white"), *wide, *lanes(score_loss="whitened")]
    share_auxiliaries(configs, {"": latents}, tmp_path, said.append)
    begun = [line for line in said if line.startswith("fitting")]  # a slow machine says how far it is, too
    assert begun == ["fitting scores of single frames (3)", "fitting predictors that run freely (4)"]
    assert len(list(tmp_path.iterdir())) == len(latents.auxiliaries) == 7
    share_auxiliaries(configs, {"": latents}, tmp_path, said.append)
    told = len(said)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = replace(latents, auxiliaries={})  # another study, in another process
    share_auxiliaries(configs, {"": again}, tmp_path, said.append)
    assert len(said) == told and again.auxiliaries.keys() == latents.auxiliaries.keys()
    assert kept == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}


def test_what_is_shared_is_what_a_lane_would_fit_and_is_not_fitted_by_it(dataset, latents, tmp_path):
    configs = lanes()
    share_auxiliaries(configs, {"": latents}, tmp_path, print)
    task = Task(latents={"": latents}, evaluation=Split.VALIDATION, depot=None, scratch="")
    train, judged = (
        Feed.from_dataset(dataset, split, surrogates=SURROGATES) for split in (Split.TRAIN, Split.VALIDATION)
    )
    pack = Pack(Phase.EXPLORE, "corrected", 0, (0, 1), tuple(configs))
    told = task.evaluation_of(pack, judged, judged)
    structure = configs[0].structure
    shared = [shared_score(structure, Surrogate.REAL)]
    shared += [shared_forecaster(structure, config.lane) for config in configs]
    assert set(told.auxiliaries) == set(shared)
    alone = replace(told, auxiliaries={})

    def trained(evaluation):
        run = configs[0].trainable.train
        own = [config.lane for config in configs]
        return run(configs[0].structure, own, train, evaluation, SoloContext())

    for given, fitted in zip(trained(told), trained(alone), strict=True):
        assert given.scores == fitted.scores
    # A lane takes what it is given: another score, or another forecaster, changes what it measures.
    for wanted in shared[:2]:
        other = {name: value + 1 for name, value in told.auxiliaries[wanted].items()}
        changed = trained(replace(told, auxiliaries={**told.auxiliaries, wanted: other}))
        assert changed[0].scores != trained(told)[0].scores, wanted.kind


def test_other_code_fits_anew_and_a_damaged_file_is_refused(latents, tmp_path):
    wanted = [shared_score(lanes()[0].structure, Surrogate.REAL)]
    (first,) = fit_auxiliaries(wanted, latents, CODE, tmp_path, print)
    (second,) = fit_auxiliaries(wanted, latents, "other code", tmp_path, print)
    assert len(list(tmp_path.iterdir())) == 2
    assert all(torch.equal(first[name], second[name]) for name in first)
    for path in tmp_path.iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(InputError, match="delete it, and it is fitted again"):
        fit_auxiliaries(wanted, latents, CODE, tmp_path, print)
