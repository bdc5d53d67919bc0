"""`python -m orchestrator.listen`: ask people what they hear, and let their answers enter the verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

import typer
from rich.console import Console
from rich.progress import Progress

from orchestrator.judging.preference import FEWEST_LISTENERS, PAIRS, detectable_preference
from orchestrator.listening.collecting import collect_answers
from orchestrator.listening.making import make_panel
from orchestrator.listening.panel import Method
from orchestrator.listening.playing import write_play_page
from orchestrator.reporting.verdict_answer import VerdictAnswer, verdict_answer
from orchestrator.runtime import cli
from trainables.errors import InputError

EXAMPLE = "python -m orchestrator.listen make runs/vmf_vs_mdn-20260102-030405"
Run = Annotated[Path, typer.Argument(help="A run folder that holds evidence.json.")]


class PanelAnswer(TypedDict):
    """The pages of a listening test, and the smallest preference that it can tell from none."""

    study: str
    pages: list[str]
    trials: int
    pairs: int
    listeners: int
    detectable_preference: float


class PageAnswer(TypedDict):
    """Where a page was written."""

    page: str


def listen() -> None:
    """Ask people which continuation sounds better, blindly, and let their answers enter the verdict.

    `make` writes a page to send, `collect` takes the files that listeners send back. `play` writes a page
    that names the arms, for yourself.
    """


def make(
    run: Run,
    pairs: Annotated[int, typer.Option(help="Most utterances to be heard.")] = PAIRS,
    listeners: Annotated[int, typer.Option(help="How many people are to be asked.")] = FEWEST_LISTENERS,
    method: Annotated[
        Method, typer.Option(help="Which of two is better, or a rating of each beside a hidden reference.")
    ] = Method.PREFERENCE,
    again: Annotated[bool, typer.Option("--again", help="Replace a panel that RUN has already.")] = False,
    study: cli.StudyFile = None,
) -> PanelAnswer:
    """Write a self-contained page on which listeners compare the arms of RUN without knowing them.

    Clips, pairs, exclusion rule and test are sealed first. The key stays in RUN/listening.
    """
    for name, value in (("--pairs", pairs), ("--listeners", listeners)):
        if value < 2:
            raise InputError(f"{name} is {value}; it must be at least 2")
    console = Console(stderr=True)
    # Where nobody watches it would leave an empty line behind.
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("sounds", total=None)
        made = make_panel(
            run,
            pairs,
            listeners,
            lambda done, total: progress.update(task, completed=done, total=total),
            method=method,
            again=again,
            file=study,
        )
    for page in made.pages:
        typer.echo(f"page  {page}  ({page.stat().st_size / 1e6:.1f} MB)")
    least = detectable_preference(made.pairs, listeners, made.study)
    power = made.study.budget.power
    typer.echo(
        f"{made.trials} trials, {made.pairs} of them pairs that count. {listeners} listeners tell a "
        f"preference of {100 * least:.0f} % from none with power {power:g}."
    )
    if listeners < FEWEST_LISTENERS:
        typer.echo(f"Fewer than {FEWEST_LISTENERS} listeners speak for themselves alone, and decide nothing.")
    typer.echo(
        "Send the page, and each listener a code of their own. Then: "
        f"python -m orchestrator.listen collect {run} answers/*.json"
    )
    return {
        "study": made.study.name,
        "pages": [str(page) for page in made.pages],
        "trials": made.trials,
        "pairs": made.pairs,
        "listeners": listeners,
        "detectable_preference": least,
    }


def collect(
    run: Run,
    answers: Annotated[list[Path], typer.Argument(help="All files that listeners sent back.")],
    study: cli.StudyFile = None,
) -> VerdictAnswer:
    """Check the answers of listeners, write them into the evidence of RUN, and judge it again.

    Answers of another page or an altered one, or two files of one listener, are refused, and nothing changes.
    """
    collected = collect_answers(run, answers, study)
    for listener, why in collected.left_out.items():
        typer.echo(f"left out: {listener} {why}", err=True)
    judgement = collected.judgement
    typer.echo(judgement)
    typer.echo("\n".join(map(str, collected.written)))
    return verdict_answer(run, judgement)


def play(run: Run, study: cli.StudyFile = None) -> PageAnswer:
    """Write a page on which RUN can be heard with its arms named, spectrograms and curves beside them."""
    page = write_play_page(run, study)
    typer.echo(f"page  {page}")
    return {"page": str(page)}


SUBCOMMANDS: dict[str, Callable[..., Any]] = {"make": make, "collect": collect, "play": play}


def main() -> None:
    """The command."""
    cli.run(listen, EXAMPLE, "run the same command again", SUBCOMMANDS)


if __name__ == "__main__":
    main()
