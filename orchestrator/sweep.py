"""Run a study to its verdict: ``python -m orchestrator.sweep STUDY``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, TypedDict

import typer

import search_spaces
from orchestrator.datasets.collection import LatentCollection, open_collection
from orchestrator.planning.costs import require_price
from orchestrator.planning.design import design_of
from orchestrator.planning.dry_run import PlanAnswer
from orchestrator.planning.latent_dimensions import require_directions
from orchestrator.planning.needed_decoder import require_decoder
from orchestrator.planning.plan import Plan, make_plan
from orchestrator.planning.sound_settings import require_sound_settings
from orchestrator.records.journal import RESUME
from orchestrator.records.run_folders import fresh_folder, unfinished_run
from orchestrator.records.study_code import code_of_study, require_own_parts
from orchestrator.records.study_file import keep_copy, load_study, require_copy, study_path
from orchestrator.reporting.verdict_answer import VerdictAnswer, verdict_answer
from orchestrator.roadmap.gate_check import closed_gate
from orchestrator.runtime import cli
from orchestrator.runtime import ray_cluster as cluster
from search_spaces.effort import QUICK, with_effort, with_settings
from search_spaces.study import Study, bound
from trainables.errors import InputError

EXAMPLE = "python -m orchestrator.sweep vmf_vs_mdn --latents latents/soundstream"


class StudyAnswer(TypedDict):
    """A study that can be named; ``waits_for`` is empty where it can run."""

    name: str
    title: str
    waits_for: str


class StudiesAnswer(TypedDict):
    """All studies, by name."""

    studies: list[StudyAnswer]


def sweep(
    study: Annotated[
        str, typer.Argument(help="Name of a study (--list names them all), or a file with a STUDY.")
    ] = "",
    latents: Annotated[
        list[str],
        typer.Option(help="Folder of latents, or control:NAME; again, to compare representations."),
    ] = ["control:directional"],  # noqa: B006
    trials: Annotated[int | None, typer.Option(help="Configurations explored per arm.")] = None,
    replicates: Annotated[
        int | None, typer.Option(help="Fresh seeds that confirm each arm's winner.")
    ] = None,
    effort: cli.Effort = QUICK,
    settings: cli.Settings = [],  # noqa: B006
    workers: Annotated[int, typer.Option(help="Processes that train one model together.")] = 1,
    address: cli.Address = None,
    out: Annotated[Path, typer.Option(help="Folder for run folders.")] = Path("runs"),
    seed: cli.Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest unfinished run.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and train nothing.")] = False,
    smoke: cli.Smoke = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Run it whatever its gate on the roadmap says; its report says so."),
    ] = False,
    ablation: Annotated[bool, typer.Option(help="Take the confirmed winner apart, part by part.")] = True,
    diagnosis: Annotated[
        bool, typer.Option(help="Diagnose the latents, and whether rollouts stay among their frames.")
    ] = True,
    price: cli.Price = None,
    list_studies: Annotated[bool, typer.Option("--list", help="Print the names of all studies.")] = False,
) -> VerdictAnswer | PlanAnswer | StudiesAnswer:
    """Explore every arm of STUDY, confirm the winners on fresh seeds and test speakers, and answer with a
    verdict.
    """
    if list_studies:
        own = [study] if study_path(study) else []
        studies = [load_study(name) for name in [*search_spaces.names(), *own]]
        for each in studies:
            typer.echo(_listed(each))
        return {"studies": [{"name": s.name, "title": s.title, "waits_for": s.missing} for s in studies]}
    if not study:
        raise InputError(f"no study was named; known are {', '.join(search_spaces.names())}")
    require_price(price)
    cluster.set_ray_environment()  # before anything loads Ray
    asked, file = load_study(study), study_path(study)
    collection = open_collection(latents)
    asked = with_settings(with_effort(asked, effort), cli.parsed_settings(settings))
    plan = make_plan(
        bound(asked, collection.representations),
        trials=trials,
        replicates=replicates,
        workers=workers,
        seed=seed,
        smoke=smoke,
        ablate=ablation,
        frame_rates=collection.frame_rates,
    )
    if file is not None or settings:  # what is declared here is known to be sound
        require_sound_settings(plan, file)
    require_own_parts(plan.study)
    require_directions(plan, collection)
    require_decoder(plan.study, collection)
    if dry_run:
        from orchestrator.planning.dry_run import dry_run as planned

        answer = planned(plan, collection, address, out, price)
        typer.echo(answer["text"])
        return answer
    ungated = resume or smoke or (collection.first.meta.world is not None and not force)
    closed = "" if ungated else closed_gate(plan.study.name, latents, out)
    if closed and not force:
        raise InputError(
            f"the gate of {study} on the roadmap is not open ({closed}); ask first what it waits for, or "
            "give --force, which verdict and report will mention"
        )
    design = None if resume else design_of(plan, collection, out)  # refused before Ray is started
    from orchestrator.execution.progress import Progress
    from orchestrator.lifecycle.sweep import run_sweep
    from orchestrator.lifecycle.sweep_request import SweepRequest

    if resume:
        folder = _continued(plan, collection, out)
        require_copy(file, folder)
    else:
        folder = fresh_folder(out, plan.study.name)
        keep_copy(file, folder)
    again = [word for word in sys.argv[1:] if word != "--resume"]
    command = shlex.join(["python", "-m", "orchestrator.sweep", *again])
    request = SweepRequest(
        plan=plan,
        latents=collection,
        folder=folder,
        address=address,
        command=command,
        resumed=resume,
        price=price,
        inspect=diagnosis and not smoke,
        design=design,
        forced=closed,
    )
    return verdict_answer(folder, run_sweep(request, Progress()))


def _continued(plan: Plan, latents: LatentCollection, out: Path) -> Path:
    return unfinished_run(
        out, plan.arguments(), latents.content_hash, code_of_study(plan.study), latents.where
    )


def _listed(study: Study) -> str:
    return f"{study.name}  {study.title}" + (f" (waits for {study.missing})" if study.missing else "")


def main() -> None:
    """The command."""
    cli.run(sweep, EXAMPLE, RESUME)


if __name__ == "__main__":
    main()
