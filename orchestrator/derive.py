"""`python -m orchestrator.derive`: one representation out of another, by maps fitted on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.datasets.description import LatentsAnswer, latents_answer
from orchestrator.representations.derivation import derive_dataset
from orchestrator.runtime import cli
from trainables.latents.derived.expression import KNOWN
from trainables.latents.storage.dataset import open_dataset

EXAMPLE = "python -m orchestrator.derive latents --as 'pca(32)' --out latents-pca32"


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
    epochs: Annotated[int | None, typer.Option(help="Of a beta-vae: most epochs of training.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Of a beta-vae: processes that train it together.")
    ] = None,
    address: Annotated[str | None, typer.Option(help="Of a beta-vae: Ray cluster, such as auto.")] = None,
) -> LatentsAnswer:
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
    derive_dataset(latents, expression, out, losses, workers, address)
    return latents_answer(open_dataset(out))


def main() -> None:
    """The command."""
    cli.run(derive, EXAMPLE)


if __name__ == "__main__":
    main()
