"""Run a study to its verdict: ``python -m orchestrator.sweep STUDY``."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

import search_spaces
from orchestrator import cli, cluster
from orchestrator.journal import RESUME, code_version, unfinished_run
from orchestrator.plan import Plan, make_plan
from trainables.errors import InputError

CONTROLS = Path("latents/controls")
_TEST_SPEAKERS = 3


def sweep(
    study: Annotated[str, typer.Argument(help="name of a study; --list shows them")] = "",
    latents: Annotated[str, typer.Option(help="folder of latents, or control:NAME")] = "control:directional",
    trials: Annotated[int | None, typer.Option(help="configurations explored per arm")] = None,
    replicates: Annotated[int | None, typer.Option(help="fresh seeds of each arm's winner")] = None,
    workers: Annotated[int, typer.Option(help="processes that share a pack by data parallelism")] = 1,
    address: Annotated[str | None, typer.Option(help="Ray cluster to use, such as auto")] = None,
    out: Annotated[Path, typer.Option(help="where run folders go")] = Path("runs"),
    seed: Annotated[int, typer.Option(help="from which all seeds are derived")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the newest unfinished run")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the plan and train nothing")] = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="tiny budgets: the whole path, no evidence")] = False,
    list_studies: Annotated[bool, typer.Option("--list", help="print the studies")] = False,
) -> None:
    """Explore both arms of STUDY, confirm their winners on fresh seeds and test speakers, and answer with a
    verdict.
    """
    if list_studies:
        for name in search_spaces.names():
            typer.echo(f"{name}  {search_spaces.load(name).title}")
        return
    if not study:
        raise InputError(f"no study was named; known are {', '.join(search_spaces.names())}")
    plan = make_plan(
        search_spaces.load(study),
        trials=trials,
        replicates=replicates,
        workers=workers,
        seed=seed,
        smoke=smoke,
    )
    _launch(plan, latents, address, out, resume, dry_run)


def _launch(plan: Plan, latents: str, address: str | None, out: Path, resume: bool, dry_run: bool) -> None:
    # Only now: what is above answers in a moment, what follows loads torch and Ray.
    cluster.settle()
    from orchestrator.progress import Progress
    from trainables.latents.store import open_dataset

    dataset = open_dataset(_folder(latents))
    dataset.require_speakers(_TEST_SPEAKERS, "test")
    for split in ("train", "validation"):
        dataset.require_speakers(1, split)
    if dataset.meta.codec is not None:
        from trainables.latents.codecs import load_codec

        load_codec(dataset.meta.codec, dataset.meta.weights)  # better refused now than after training
    if dry_run:
        from orchestrator.preview import preview

        typer.echo(preview(plan, dataset, address, out))
        return
    if resume:
        folder = unfinished_run(out, plan.arguments(), dataset.content_hash, code_version())
    else:
        folder = _fresh(out, plan.study.name)
    from orchestrator.run import Order, run_sweep

    command = shlex.join(["python", "-m", "orchestrator.sweep", *sys.argv[1:]])
    run_sweep(Order(plan, dataset, folder, address, command, resume), Progress())


def _folder(latents: str) -> Path:
    """The folder of the latents; a control world is written on first use."""
    if not latents.startswith("control:"):
        return Path(latents)
    from trainables.latents.controls import write_world

    name = latents.removeprefix("control:")
    folder = CONTROLS / name
    if not any(folder.glob("*.parquet")):
        write_world(name, folder)
    return folder


def _fresh(out: Path, study: str) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = [f"{study}-{stamp}", *(f"{study}-{stamp}-{i}" for i in range(2, 100))]
    folder = next(out / name for name in names if not (out / name).exists())
    folder.mkdir(parents=True)
    return folder


def main() -> None:
    """The command."""
    cli.run(sweep, RESUME)


if __name__ == "__main__":
    main()
