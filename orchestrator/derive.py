"""`python -m orchestrator.derive`: one representation out of another, by linear maps fitted on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import run
from orchestrator.worlds import latents_folder
from trainables.errors import InputError
from trainables.latents.derived.dataset import derived_utterances, fit_transform
from trainables.latents.derived.expression import KNOWN, parse
from trainables.latents.derived.transform import FILE, Transform
from trainables.latents.parquet import write_utterances
from trainables.latents.store import LatentDataset, open_dataset


def derive(
    latents: Annotated[str, typer.Argument(help="Folder of latents, or control:NAME.")],
    expression: Annotated[str, typer.Option("--as", help=f"One of {KNOWN}.")],
    out: Annotated[Path, typer.Option(help="Folder for what is derived; what it holds is not redone.")],
) -> None:
    """Derive latents from others: fewer dimensions, white ones, or fewer frames in a second.

    Maps are fitted to training speakers alone, and kept beside the latents, so that these can be decoded.
    Utterances, speakers and splits stay what they are.
    """
    parse(expression)  # refused before anything is read
    base = open_dataset(latents_folder(latents))
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    if out.resolve() == base.root.resolve():
        raise InputError(f"--out {out} holds the latents to derive from; give another folder")
    transform = _transform(expression, base, out)
    meta, lost = transform.meta(), 0
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
        raise InputError(
            f"no utterance of {base.root} has the {2 * transform.rate} frames that two derived take"
        )
    found = open_dataset(out)
    utterances = found.index.num_rows
    typer.echo(
        f"{out}: {meta.representation}, {meta.dim} dimensions at {meta.frame_rate:g} Hz, "
        f"{utterances} utterances, {lost} left out"
    )


def _transform(expression: str, base: LatentDataset, out: Path) -> Transform:
    """The one in ``out``, if it is what is asked for, else a new one."""
    if (out / FILE).exists():
        found = Transform.load(out)
        asked = (parse(expression), base.meta.representation, base.content_hash)
        if asked != (parse(found.expression), found.base.representation, found.base_hash):
            raise InputError(
                f"--out {out} holds {found.name} of other latents or by other maps; derive into another --out"
            )
        return found
    if any(out.glob("*.parquet")):
        raise InputError(f"--out {out} holds latents that were not derived; derive into another --out")
    fitted = fit_transform(expression, base)
    out.mkdir(parents=True, exist_ok=True)
    fitted.save(out)
    return fitted


if __name__ == "__main__":
    run(derive)
