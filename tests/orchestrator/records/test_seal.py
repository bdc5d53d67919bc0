"""A seal holds all that could be bent, and names what was."""

import dataclasses
import json

import pytest

from orchestrator.datasets.collection import LatentCollection
from orchestrator.lifecycle.sealing import make_seal
from orchestrator.planning.plan import make_plan
from orchestrator.records.seal import changes, read_seal, seal_hash, study_changes, write_seal
from search_spaces import load
from search_spaces.study import bound, declared
from tests.orchestrator.tiny_world import write_latents
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.latents.storage.dataset import open_dataset

STUDY = load("vmf_vs_mdn")
WINNERS = {
    "mdn": LaneConfig.of({"head": "mdn", "components": 2}),
    "vmf": LaneConfig.of({"head": "vmf"}),
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return LatentCollection((open_dataset(write_latents(tmp_path_factory.mktemp("latents"))),))


def seal(dataset, study=STUDY, winners=WINNERS, code="c1", **how):
    return make_seal(make_plan(study, **how), dataset, winners, code)


def test_nothing_changed_is_nothing_said(dataset):
    assert changes(seal(dataset), seal(dataset)) == []
    assert seal_hash(seal(dataset)) == seal_hash(json.loads(json.dumps(seal(dataset))))


def bent(**what):
    first = dataclasses.replace(STUDY.criteria[0], **what)
    return dataclasses.replace(STUDY, criteria=(first, *STUDY.criteria[1:]))


@pytest.mark.parametrize(
    ("study", "said"),
    [
        (bent(success=0.5), "success was 0.6 when sealed and is 0.5 now"),
        (bent(failure=0.1), "failure was 0.3 when sealed and is 0.1 now"),
        (bent(metric="cos@4"), 'metric was "cos@16" when sealed and is "cos@4" now'),
        (dataclasses.replace(STUDY, hypothesis="It works."), 'is "It works." now'),
        (dataclasses.replace(STUDY, criteria=STUDY.criteria[:-1]), "and is absent now"),
        (dataclasses.replace(STUDY, exclusions=STUDY.exclusions[1:]), "exclusions was"),
        (dataclasses.replace(STUDY, budget=dataclasses.replace(STUDY.budget, alpha=0.1)), "alpha was 0.05"),
        (dataclasses.replace(STUDY, budget=dataclasses.replace(STUDY.budget, looks=3)), "looks was 1"),
        (dataclasses.replace(STUDY, components=STUDY.components[1:]), "kappa prior"),
    ],
)
def test_whatever_the_study_declares_otherwise_is_named(dataset, study, said):
    found = study_changes(seal(dataset), study)
    assert len(found) == 1 and said in found[0]


def test_of_exclusions_the_one_that_changed_is_named_in_words():
    before = {"exclusions": ["a thing that stays as it was", f"one {'long ' * 30}thing that is gone"]}
    after = {"exclusions": [f"one {'long ' * 30}thing that is new", "a thing that stays as it was"]}
    gone, new = changes(before, after)
    assert gone.startswith('exclusions was "one long') and gone.endswith("and is absent now.")
    assert new.startswith("exclusions was absent when sealed") and "stays" not in gone + new
    assert len(changes(before, {"exclusions": before["exclusions"][::-1]})) == 1  # told, though none is gone


def test_of_long_texts_the_part_that_differs_is_shown():
    lead = "Keep the encoder, as nobody has shown that it could be done without one. "
    before, after = f"{lead}Add speakers, or whatever else.", f"{lead}The reason says what."
    (change,) = changes({"x": before}, {"x": after})
    assert change == (
        'x was ...e done without one. Add speakers, or whatever else." when sealed and is '
        '...e done without one. The reason says what." now.'
    )
    (change,) = changes({"x": "y" * 200}, {"x": "y" * 200 + "z" * 200})
    was, now = change.removeprefix("x was ").removesuffix(" now.").split(" when sealed and is ")
    assert was != now and len(was) <= len(now) <= 80


def test_seeds_data_code_and_winners_are_sealed_too(dataset, tmp_path):
    sealed = seal(dataset)
    other = LatentCollection((open_dataset(write_latents(tmp_path, seed=1)),))
    assert any("data: hash" in c for c in changes(sealed, seal(other)))
    assert any(c.startswith("seeds") for c in changes(sealed, seal(dataset, seed=5)))
    assert any(c.startswith('code was "c1"') for c in changes(sealed, seal(dataset, code="c2")))
    moved = {**WINNERS, "mdn": LaneConfig.of({"head": "mdn", "components": 8})}
    assert changes(sealed, seal(dataset, winners=moved)) == [
        "arms: mdn: settings: components was 2 when sealed and is 8 now."
    ]


def test_a_written_seal_comes_back_and_an_edit_shows_in_its_hash(dataset, tmp_path):
    path = write_seal(tmp_path, seal(dataset))
    told, content = read_seal(path)
    assert told == seal_hash(content) and content == seal(dataset)
    path.write_text(path.read_text().replace('"success": 0.6', '"success": 0.5'))
    told, content = read_seal(path)
    assert told != seal_hash(content)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"study": {}}', "not json"])
def test_what_is_no_seal_is_refused_in_one_sentence(tmp_path, text):
    (tmp_path / "sealed.json").write_text(text)
    with pytest.raises(InputError, match="is not a sealed plan"):
        read_seal(tmp_path / "sealed.json")


def test_a_study_that_compares_is_held_to_the_representations_that_were_sealed(dataset):
    study = load("representations")
    asked = bound(study, ["mimi-12.5", "encodec"])
    sealed = {"study": declared(asked), "data": {"representation": "mimi-12.5, encodec"}}
    assert study_changes(sealed, study) == study_changes(sealed, asked) == []
    (change,) = study_changes({**sealed, "data": {"representation": "mimi-12.5, dac"}}, study)
    assert change == 'arms: \'other\': fixed: representation was "encodec" when sealed and is "dac" now.'
