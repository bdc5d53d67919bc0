"""`python -m orchestrator.derive`: one representation out of another, by maps fitted on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from orchestrator.cli import run
from orchestrator.cluster import settle
from orchestrator.folder import require_folder
from orchestrator.worlds import latents_folder
from trainables.errors import InputError
from trainables.latents.derived.beta_vae import bottlenecks
from trainables.latents.derived.dataset import derived_utterances, fit_transform
from trainables.latents.derived.expression import KNOWN, parse
from trainables.latents.derived.maps import Map
from trainables.latents.derived.settings import Settings
from trainables.latents.derived.transform import FILE, Transform
from trainables.latents.parquet import write_utterances
from trainables.latents.store import LatentDataset, open_dataset

_TRAINING = ".training"  # in --out, until what is trained there is fitted


def derive(
    latents: Annotated[str, typer.Argument(help="Folder of latents, or control:NAME.")],
    expression: Annotated[str, typer.Option("--as", help=f"One of {KNOWN}.")],
    out: Annotated[Path, typer.Option(help="Folder for what is derived; what it holds is not redone.")],
    beta: Annotated[float | None, typer.Option(help="Of a beta-vae: weight of the KL.")] = None,
    smoothness: Annotated[
        float | None, typer.Option(help="Of a beta-vae: weight of |step|^2 / variance of the codes.")
    ] = None,
    predictability: Annotated[
        float | None, typer.Option(help="Of a beta-vae: weight of a linear prediction's error / variance.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Of a beta-vae: at most so many.")] = None,
    workers: Annotated[int | None, typer.Option(help="Of a beta-vae: processes that train it.")] = None,
    address: Annotated[str | None, typer.Option(help="Of a beta-vae: Ray cluster, such as auto.")] = None,
) -> None:
    """Derive latents from others: fewer dimensions, white ones, or fewer frames in a second.

    Maps are fitted to training speakers alone, and kept beside the latents, so that these can be decoded.
    A beta-vae is trained, and validation speakers choose when to stop. Utterances, speakers and splits stay
    what they are.
    """
    losses: dict[str, Any] = {
        "beta": beta,
        "smoothness": smoothness,
        "predictability": predictability,
        "epochs": epochs,
    }
    settings = Settings(**{name: value for name, value in losses.items() if value is not None})
    maps = parse(expression, settings)  # refused before anything is read
    _require_in_place(expression, maps, {**losses, "workers": workers, "address": address})
    base = open_dataset(latents_folder(latents))
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    if out.resolve() == base.root.resolve():
        raise InputError(f"--out {out} holds the latents to derive from; give another folder")
    require_folder(out)
    transform = _transform(expression, base, out, settings, lambda: _fit(
        expression, base, out, settings, 1 if workers is None else workers, address
    ))  # fmt: skip
    meta, lost = transform.meta(out), 0
    for file in base.files:
        if (out / file.name).exists():
            continue
        made, short = derived_utterances(file, transform)
        lost += len(short)
        for utterance_id in short:
            typer.echo(f"left out: {utterance_id} has fewer than {2 * transform.rate} frames", err=True)
        if made:
            write_utterances(out / file.name, made, meta)
    if not any(out.glob("*.parquet")):
        (out / FILE).unlink()
        raise InputError(
            f"no utterance of {base.root} has the {2 * transform.rate} frames that two derived take"
        )
    for trained in bottlenecks(transform.maps):
        typer.echo(trained.told())
    found = open_dataset(out)
    utterances = found.index.num_rows
    typer.echo(
        f"{out}: {meta.representation}, {meta.dim} dimensions at {meta.frame_rate:g} Hz, "
        f"{utterances} utterances, {lost} left out"
    )


def _require_in_place(expression: str, maps: Sequence[Map], options: dict[str, object]) -> None:
    """Refuse what would be without effect."""
    given = [name for name, value in options.items() if value is not None]
    if given and not bottlenecks(maps):
        raise InputError(
            f"--{given[0]} is {options[given[0]]}, but --as {expression!r} trains nothing; leave it out, or "
            "ask for beta-vae(K)"
        )


def _transform(
    expression: str, base: LatentDataset, out: Path, settings: Settings, fit: Callable[[], Transform]
) -> Transform:
    """The one in ``out``, if it is what is asked for, else a new one."""
    if (out / FILE).exists():
        found = Transform.load(out)
        asked = (_kinds(parse(expression, settings)), base.meta.representation, base.content_hash)
        if asked != (_kinds(found.maps), found.base.representation, found.base_hash):
            raise InputError(
                f"--out {out} holds {found.name} of other latents or by other maps; derive into another --out"
            )
        return found
    if any(out.glob("*.parquet")):
        raise InputError(f"--out {out} holds latents that were not derived; derive into another --out")
    fitted = fit()
    out.mkdir(parents=True, exist_ok=True)
    fitted.save(out)
    shutil.rmtree(out / _TRAINING, ignore_errors=True)
    return fitted


def _fit(
    expression: str, base: LatentDataset, out: Path, settings: Settings, workers: int, address: str | None
) -> Transform:
    """Fit in closed form, and with Ray where something is to be trained."""
    if not bottlenecks(parse(expression, settings)):
        return fit_transform(expression, base)
    settle()
    from orchestrator.bottleneck import learner  # loads Ray: only when there is something to train

    learn = learner(base, out / _TRAINING, settings, workers, address, Console(stderr=True))
    return fit_transform(expression, base, settings, learn)


def _kinds(maps: Sequence[Map]) -> tuple[list[str], list[Settings]]:
    return [step.name for step in maps], [step.settings for step in bottlenecks(maps)]


if __name__ == "__main__":
    run(derive)
