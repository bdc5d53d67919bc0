"""Run the roadmap as far as verdicts allow: ``python -m orchestrator.roadmap``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from orchestrator.planning.costs import require_price
from orchestrator.roadmap.study_shelf import opened_map
from orchestrator.runtime import cli
from orchestrator.runtime import ray_cluster as cluster
from orchestrator.runtime.answers import Ended
from orchestrator.runtime.exit_codes import ExitCode
from search_spaces.effort import QUICK
from search_spaces.roadmap import INADMISSIBLE
from trainables.errors import InputError

if TYPE_CHECKING:
    from orchestrator.roadmap.runner import RoadmapRunner

EXAMPLE = "python -m orchestrator.roadmap --latents latents/soundstream"


class StepAnswer(TypedDict):
    """A study of the roadmap: its state, its verdict where it has one, and why."""

    study: str
    tier: int
    state: str
    verdict: str
    reason: str


class RoadmapAnswer(TypedDict):
    """How far the roadmap has come, what to do next, and its page, which a plan does not write."""

    steps: list[StepAnswer]
    advice: str
    page: str | None


def roadmap(
    until: Annotated[int | None, typer.Option(help="Last tier to run: 1, 2 or 3; by default all.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print the roadmap and train nothing.")] = False,
    latents: Annotated[
        list[str],
        typer.Option(
            help="Folder of latents, or control:NAME; again, to compare with these and not with all beside."
        ),
    ] = ["control:directional"],  # noqa: B006
    price: cli.Price = None,
    address: cli.Address = None,
    out: Annotated[Path, typer.Option(help="Folder for run folders and the roadmap's page.")] = Path("runs"),
    effort: cli.Effort = QUICK,
    seed: cli.Seed = 0,
    smoke: cli.Smoke = False,
    own_map: Annotated[
        Path | None, typer.Option("--map", help="File with a ROADMAP of your own; its studies lie beside it.")
    ] = None,
) -> RoadmapAnswer:
    """Run the studies of the roadmap in order, each where earlier verdicts allow it, and write one page.

    The same command again goes on where it stopped: a study that has its verdict is not run twice.
    """
    the_map, shelf = opened_map(own_map)
    if until is not None and until not in the_map.tiers:
        raise InputError(
            f"--until is {until}; it must be one of the tiers {', '.join(map(str, the_map.tiers))}"
        )
    require_price(price)
    if seed < 0:
        raise InputError(f"--seed is {seed}; it must be at least 0")
    cluster.set_ray_environment()  # before anything loads Ray
    from orchestrator.roadmap.runner import RoadmapRequest, RoadmapRunner

    command = shlex.join(["python", "-m", "orchestrator.roadmap", *sys.argv[1:]])
    request = RoadmapRequest(
        latents=latents[0],
        others=tuple(latents[1:]),
        out=out,
        until=until,
        price=price,
        address=address,
        effort=effort,
        seed=seed,
        smoke=smoke,
        command=command,
    )
    runner = RoadmapRunner(request, the_map, typer.echo, shelf=shelf)
    if plan:
        from orchestrator.roadmap.plan_text import roadmap_plan

        typer.echo(roadmap_plan(runner))
        return _answer(runner, None)
    answer = _answer(runner, runner.run())
    if any(step["verdict"] == INADMISSIBLE for step in answer["steps"]):
        raise Ended(ExitCode.INADMISSIBLE, answer)
    return answer


def _answer(runner: RoadmapRunner, page: Path | None) -> RoadmapAnswer:
    from orchestrator.roadmap.status import advice

    standing = runner.standing()
    steps: list[StepAnswer] = [
        {
            "study": status.step.study,
            "tier": status.step.tier,
            "state": str(status.state),
            "verdict": status.verdict,
            "reason": status.reason,
        }
        for status in standing.outlook.statuses
    ]
    return {"steps": steps, "advice": " ".join(advice(standing)), "page": None if page is None else str(page)}


def main() -> None:
    """Run the command ``python -m orchestrator.roadmap``."""
    cli.run(roadmap, EXAMPLE, "run the same command again to go on")


if __name__ == "__main__":
    main()
