"""Every study on worlds of known answer, with several seeds: each is read right, and noise never as GO.

    python -m benchmarks.known_answers --seeds 5 --out known_answers [STUDY ...]

Each run is the assay study of a study, whole, in one Ray session. What has ended under this very code is not
run again, so that a command that was stopped goes on. The exit code is 1 if any answer is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import search_spaces
from orchestrator.datasets.collection import open_collection
from orchestrator.planning.plan import make_plan
from orchestrator.records.code_versions import full_version
from orchestrator.records.journal import Journal
from orchestrator.runtime import ray_cluster as cluster
from orchestrator.runtime.exit_codes import ExitCode
from orchestrator.runtime.interrupts import interrupt_on_signals, signal_name
from search_spaces.study import Study, StudyError

_NOISE, _ANYTHING_BUT_GO = "white", "not GO"


_Run = tuple[str, str, int]  # assay, world, seed


class Question(NamedTuple):
    """What is asked of a world, and what has to be answered."""

    study: str
    assay: str
    world: str
    expected: str


def questions(studies: Sequence[Study]) -> list[Question]:
    """Every world that a study cites, and white noise, which no study may take for a GO."""
    return [
        Question(study.name, study.assay, world, study.controls.get(world, _ANYTHING_BUT_GO))
        for study in studies
        if study.controls
        for world in dict.fromkeys((*study.controls, _NOISE))
    ]


def is_right(expected: str, verdict: str) -> bool:
    """Whether a verdict is the expected one, or at least no GO where no more is expected."""
    return verdict != "GO" if expected == _ANYTHING_BUT_GO else verdict == expected


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("studies", nargs="*", help="by default all that cite control worlds")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--worlds", nargs="+", help="by default all that a study cites, and white")
    parser.add_argument("--out", type=Path, default=Path("runs/known_answers"), help="where run folders go")
    asked = parser.parse_args()
    try:
        studies = [search_spaces.load(name) for name in asked.studies or search_spaces.names()]
    except StudyError as error:
        parser.error(str(error))
    asked_of = questions(studies)
    worlds = list(dict.fromkeys(question.world for question in asked_of))
    if not worlds:
        parser.error(f"{', '.join(asked.studies)} cites no control world: nothing can be asked of it")
    for world in asked.worlds or ():
        if world not in worlds:
            parser.error(f"--worlds is {world!r}; it must be one of {', '.join(worlds)}")
    wanted = [q for q in asked_of if not asked.worlds or q.world in asked.worlds]
    cluster.set_ray_environment()
    interrupt_on_signals()
    verdicts: dict[_Run, str] = {}
    code = ExitCode.DONE
    try:
        for run, verdict in _verdicts(wanted, asked.seeds, asked.out):
            verdicts[run] = verdict
    except KeyboardInterrupt as stop:
        print(
            f"stopped by {signal_name(stop)}; the same command goes on with what is missing", file=sys.stderr
        )
        code = ExitCode.INTERRUPTED
    lines, wrong = table(wanted, verdicts, asked.seeds)
    print("\n".join(lines))
    sys.exit(code or bool(wrong))


def table(wanted: Sequence[Question], verdicts: Mapping[_Run, str], seeds: int) -> tuple[list[str], int]:
    """What each world was read as, by the seeds that are there, and how many answers are wrong.

    Args:
        wanted: the questions, of which those that nobody has answered yet are left out.
        verdicts: by assay, world and seed.
        seeds: how many are asked for.
    """
    lines, wrong, there = ["| study | world | expected | read as |", "| --- | --- | --- | --- |"], 0, 0
    for question in wanted:
        runs = [(question.assay, question.world, seed) for seed in range(seeds)]
        read = [verdicts[run] for run in runs if run in verdicts]
        wrong += sum(not is_right(question.expected, verdict) for verdict in read)
        there += len(read)
        answers = ", ".join(f"{v} in {n} of {len(read)}" for v, n in Counter(read).most_common())
        if read:
            lines.append(f"| {question.study} | {question.world} | {question.expected} | {answers} |")
    return [*lines, "", f"wrong answers: {wrong} of {there}"], wrong


def _verdicts(wanted: Sequence[Question], seeds: int, out: Path) -> Iterator[tuple[_Run, str]]:
    """The verdict by assay, world and seed; seed by seed, so that every study is soon known once."""
    from orchestrator.execution.progress import Progress
    from orchestrator.lifecycle.sweep import run_on_cluster
    from orchestrator.lifecycle.sweep_request import SweepRequest

    progress, version = Progress(), full_version()[:12]
    worlds = dict.fromkeys((question.assay, question.world) for question in wanted)
    with cluster.connected(None) as session:
        for seed in range(seeds):
            for assay, world in worlds:
                folder = out / f"{assay}-{world}-{seed}-{version}"
                journal = Journal(folder)
                with journal.held(wait=True):
                    if not journal.answered():
                        request = SweepRequest(
                            plan=make_plan(search_spaces.load(assay), seed=seed),
                            latents=open_collection([f"control:{world}"]),
                            folder=folder,
                            address=None,
                            command="python -m benchmarks.known_answers",
                            inspect=False,
                            quiet=True,
                        )
                        run_on_cluster(request, session, progress)
                record = json.loads((folder / "verdict.json").read_text())
                progress.say(f"{assay} on {world}, seed {seed}: {record['verdict']}. {record['reason']}")
                yield (assay, world, seed), record["verdict"]


if __name__ == "__main__":
    main()
