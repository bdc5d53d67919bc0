"""A roadmap of a user's own: studies of this project and files beside the map."""

import pytest

from orchestrator.roadmap.runner import RoadmapRequest, RoadmapRunner
from orchestrator.roadmap.study_shelf import opened_map
from search_spaces.roadmap import GO, NO_GO
from tests.orchestrator.roadmap.recorded_verdicts import Sweeps, states
from tests.orchestrator.tiny_world import write_latents
from tests.own_files import begin, user_folder, write
from trainables.errors import InputError

MAP = """from search_spaces.roadmap import Condition, Consequence, Roadmap, Step
ROADMAP = Roadmap(
    title="Mine", source="nowhere", tiers={1: "first", 2: "then"},
    steps=(
        Step("my_question", 1, Consequence("On.", opens=("heads",)), Consequence("Off."), "here"),
        Step("heads", 2, Consequence("A."), Consequence("B."), "here", ((Condition("my_question", "GO"),),)),
    ),
)
"""


@pytest.fixture
def folder(tmp_path):
    with user_folder(tmp_path) as here:
        begin(here, study="my_question")
        write(here, my_roadmap=MAP)
        write_latents(here / "latents" / "toy")
        yield here


def test_verdicts_of_own_studies_open_what_waits_for_them(folder):
    order = RoadmapRequest(latents="latents/toy", out=folder / "runs")
    roadmap, shelf = opened_map(folder / "my_roadmap.py")
    for verdict, ran in ((NO_GO, ["my_question"]), (GO, ["my_question", "heads"])):
        sweeps = Sweeps({"my_question": verdict})
        runner = RoadmapRunner(
            RoadmapRequest(latents="latents/toy", out=folder / verdict), roadmap, str, sweeps, shelf
        )
        runner.run()
        assert [name for name, *_ in sweeps.ran] == ran
    (run,) = (folder / NO_GO).glob("my_question-*")
    assert (run / "study.py").read_bytes() == (folder / "my_question.py").read_bytes()
    seen = RoadmapRunner(order, roadmap, str, Sweeps({}), shelf).standing().outlook
    assert states(seen) == {"my_question": "READY", "heads": "HELD"}


def test_what_is_wrong_with_a_map_is_a_sentence(folder):
    write(folder, no_map="x = 1\n", other=(folder / "my_question.py").read_text())
    with pytest.raises(InputError, match=r"no_map\.py, line 1: there is no ROADMAP"):
        opened_map(folder / "no_map.py")
    _, shelf = opened_map(folder / "my_roadmap.py")
    with pytest.raises(InputError, match="declares the study 'my_question'; call file and step alike"):
        shelf.load("other")
