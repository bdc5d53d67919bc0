"""Deriving one representation from another, by maps fitted on its training speakers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from orchestrator.datasets.control_worlds import latents_folder
from orchestrator.representations.encoded_folder import require_folder
from orchestrator.runtime.disk_space import writing
from orchestrator.runtime.ray_cluster import set_ray_environment
from trainables.errors import InputError
from trainables.latents.derived.beta_vae import bottlenecks
from trainables.latents.derived.bottleneck_settings import BottleneckSettings
from trainables.latents.derived.derive_dataset import derived_utterances, fit_transform
from trainables.latents.derived.expression import parse
from trainables.latents.derived.maps import Map
from trainables.latents.derived.transform import TRANSFORM_FILE, Transform
from trainables.latents.storage.dataset import LatentDataset, open_dataset
from trainables.latents.storage.parquet_file import write_utterances

_TRAINING = ".training"  # folder within --out, until the maps trained there are saved


def derive_dataset(
    latents: str,
    expression: str,
    out: Path,
    losses: Mapping[str, Any],
    workers: int | None = None,
    address: str | None = None,
) -> None:
    """Derive every file of a dataset that ``out`` does not hold yet, by maps fitted on training speakers.

    Args:
        latents: folder of latents, or ``control:NAME``.
        expression: maps, such as ``pca(32) of stack(4)``.
        out: folder for the derived latents.
        losses: settings of a bottleneck that is trained; those that are None keep their defaults.
        workers: processes that train a bottleneck.
        address: Ray cluster that trains it; None starts a private one.

    Raises:
        InputError: the expression cannot be parsed, an option has no effect, ``out`` is a file or holds other
            latents, or no utterance is long enough.
    """
    settings = BottleneckSettings(**{name: value for name, value in losses.items() if value is not None})
    maps = parse(expression, settings)  # a wrong expression is refused before anything is read
    _require_options_used(expression, maps, {**losses, "workers": workers, "address": address})
    base = open_dataset(latents_folder(latents))
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    if out.resolve() == base.root.resolve():
        raise InputError(f"--out {out} holds the latents to derive from; give another folder")
    require_folder(out)

    def fit() -> Transform:
        return _fit(expression, base, out, settings, 1 if workers is None else workers, address)

    transform = _stored_or_new(expression, base, out, settings, fit)
    meta, left_out = transform.meta(out), 0
    for file in base.files:
        if (out / file.name).exists():
            continue
        derived, short = derived_utterances(file, transform)
        left_out += len(short)
        for utterance_id in short:
            typer.echo(f"left out: {utterance_id} has fewer than {2 * transform.rate} frames", err=True)
        if derived:
            with writing(out / file.name, 2 * sum(row.latents.size for row in derived)):  # they are float16
                write_utterances(out / file.name, derived, meta)
    if not any(out.glob("*.parquet")):
        (out / TRANSFORM_FILE).unlink()
        raise InputError(
            f"no utterance of {base.root} has {2 * transform.rate} frames, which two derived frames take"
        )
    for trained in bottlenecks(transform.maps):
        typer.echo(trained.summary())
    utterances = open_dataset(out).index.num_rows
    typer.echo(
        f"{out}: {meta.representation}, {meta.dim} dimensions at {meta.frame_rate:g} Hz, "
        f"{utterances} utterances, {left_out} left out"
    )


def _require_options_used(expression: str, maps: Sequence[Map], options: dict[str, object]) -> None:
    """Refuse options that would have no effect."""
    given = [name for name, value in options.items() if value is not None]
    if given and not bottlenecks(maps):
        raise InputError(
            f"--{given[0]} is {options[given[0]]}, but --as {expression!r} trains nothing; leave it out, or "
            "ask for beta-vae(K)"
        )


def _stored_or_new(
    expression: str,
    base: LatentDataset,
    out: Path,
    settings: BottleneckSettings,
    fit: Callable[[], Transform],
) -> Transform:
    """The transform stored in ``out`` if it is the one asked for; a new one where none is stored."""
    if (out / TRANSFORM_FILE).exists():
        stored = Transform.load(out)
        asked = (_kinds(parse(expression, settings)), base.meta.representation, base.content_hash)
        if asked != (_kinds(stored.maps), stored.base.representation, stored.base_hash):
            raise InputError(
                f"--out {out} holds {stored.name} of other latents or by other maps; "
                "derive into another --out"
            )
        return stored
    if any(out.glob("*.parquet")):
        raise InputError(f"--out {out} holds latents that were not derived; derive into another --out")
    fitted = fit()
    out.mkdir(parents=True, exist_ok=True)
    fitted.save(out)
    shutil.rmtree(out / _TRAINING, ignore_errors=True)
    return fitted


def _fit(
    expression: str,
    base: LatentDataset,
    out: Path,
    settings: BottleneckSettings,
    workers: int,
    address: str | None,
) -> Transform:
    """Fit maps in closed form, or with Ray where a bottleneck has to be trained."""
    if not bottlenecks(parse(expression, settings)):
        return fit_transform(expression, base)
    set_ray_environment()
    # Loads Ray: only when there is something to train.
    from orchestrator.representations.bottleneck_training import learner

    learn = learner(base, out / _TRAINING, settings, workers, address, Console(stderr=True))
    return fit_transform(expression, base, settings, learn)


def _kinds(maps: Sequence[Map]) -> tuple[list[str], list[BottleneckSettings]]:
    return [step.name for step in maps], [step.settings for step in bottlenecks(maps)]
