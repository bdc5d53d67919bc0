"""What is asked of every study on worlds of known answer, and which answers are wrong."""

import pytest

import search_spaces
from benchmarks.known_answers import is_right, questions


def test_every_control_is_asked_for_and_white_noise_of_every_study() -> None:
    studies = [search_spaces.load(name) for name in search_spaces.names()]
    asked = {(q.study, q.world): q.expected for q in questions(studies)}
    for study in studies:
        own = {world: asked[study.name, world] for world in study.controls}
        assert own == dict(study.controls)
        assert ((study.name, "white") in asked) == bool(study.controls)
    assert asked["components", "white"] == "not GO" and asked["archetypes", "white"] == "NO-GO"


@pytest.mark.parametrize(
    ("expected", "verdict", "right"),
    [
        ("GO", "GO", True),
        ("GO", "INCONCLUSIVE", False),
        ("NO-GO", "INADMISSIBLE", False),
        ("not GO", "INCONCLUSIVE", True),
        ("not GO", "GO", False),
    ],
)
def test_an_answer_is_right_where_it_is_the_one_known(expected: str, verdict: str, right: bool) -> None:
    assert is_right(expected, verdict) is right
