"""What is asked of every study on worlds of known answer, and which answers are wrong."""

import pytest

import search_spaces
from benchmarks import known_answers
from benchmarks.known_answers import Question, is_right, questions, table


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


def test_the_table_counts_answers_that_are_there_and_those_that_are_wrong() -> None:
    wanted = [
        Question("study", "assay", world, expected) for world, expected in (("a", "GO"), ("b", "NO-GO"))
    ]
    verdicts = {("assay", "a", 0): "GO", ("assay", "a", 1): "INCONCLUSIVE"}
    lines, wrong = table(wanted, verdicts, seeds=5)
    assert lines[2:] == [
        "| study | a | GO | GO in 1 of 2, INCONCLUSIVE in 1 of 2 |",
        "",
        "wrong answers: 1 of 2",
    ]
    assert wrong == 1
    assert table(wanted, {}, seeds=5) == ([*lines[:2], "", "wrong answers: 0 of 0"], 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["manifold", "--worlds", "nowhere"],
            "--worlds is 'nowhere'; it must be one of jumps, homing, white",
        ),
        (["perception"], "perception cites no control world"),
        (["nosuch"], "unknown study 'nosuch'"),
    ],
)
def test_what_nobody_can_ask_is_refused_and_not_answered_with_nothing(
    arguments, said, monkeypatch, capsys
) -> None:
    monkeypatch.setattr("sys.argv", ["known_answers", *arguments])
    with pytest.raises(SystemExit) as ended:
        known_answers.main()
    assert ended.value.code == 2 and said in capsys.readouterr().err
