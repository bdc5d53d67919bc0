"""Let winners continue audio or latents: ``python -m orchestrator.generate RUN --context audio.flac``."""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Annotated, TypedDict

import typer

from orchestrator.runtime import cli
from trainables.errors import InputError

EXAMPLE = "python -m orchestrator.generate exported/vmf --context audio.flac --at 2"


class GenerateAnswer(TypedDict):
    """The files that were written: sounds with their page, or latents."""

    files: list[str]


def generate(
    run: Annotated[Path, typer.Argument(help="A run folder, or a folder that `export` has written.")],
    context: Annotated[Path, typer.Option(help="Audio file to continue, or a folder of latents.")],
    utterance: Annotated[
        str | None, typer.Option(help="Utterance to continue, where --context is a folder of latents.")
    ] = None,
    at: Annotated[
        float | None, typer.Option(help="Second at which the continuation begins; by default the end.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Length of the continuation.")] = 3.0,
    context_seconds: Annotated[float, typer.Option(help="How much of the context is read, and heard.")] = 2.0,
    arm: Annotated[
        list[str], typer.Option(help="Arm that continues; again, for more; by default every arm that can.")
    ] = [],  # noqa: B006
    replicate: Annotated[
        int | None, typer.Option(help="Which replicate of an arm; by default the first that finished.")
    ] = None,
    feedback: Annotated[
        str | None, typer.Option(help="What is fed back: mean, mode or sample; by default as it was judged.")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Of sampled feedback; below 1 it is cooler than what was learnt.")
    ] = None,
    seed: Annotated[list[int], typer.Option(help="Of what is drawn; again, for more.")] = [0],  # noqa: B006
    weights: Annotated[
        str | None, typer.Option(help="Weights of the codec, where they are no longer where they were.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Sound to write, NAME.wav, with NAME.html beside it; or latents, NAME.npy.")
    ] = Path("out.wav"),
) -> GenerateAnswer:
    """Let winners continue an audio file, or latents, and write what they make of it, with a page to hear it.

    Audio is encoded by the run's codec and decoded again. What is written begins with the context as far as
    it was read. Of several arms or seeds, each gets a file.
    """
    # Here, since they load torch: wrong words are refused at once.
    from orchestrator.generate.contexts import read_context
    from orchestrator.generate.making import HowToContinue, continuations, require_draws
    from orchestrator.generate.opened import codec_of, opened_predictors
    from orchestrator.generate.writing import LATENTS, SOUND, write_latents, write_sounds

    if out.suffix not in (SOUND, LATENTS):
        raise InputError(f"--out is {out}; it must end in {SOUND} (sound) or {LATENTS} (latents)")
    how = HowToContinue(
        seconds=seconds,
        seeds=tuple(dict.fromkeys(seed)),
        feedback=feedback,
        temperature=temperature,
        context_seconds=context_seconds,
    )
    codec = cache(lambda units: codec_of(units, weights))
    made = []
    for predictor in opened_predictors(run, arm, replicate):
        units = predictor.units
        if out.suffix == SOUND:
            codec(units)  # refused before anything is made
        spoken = read_context(context, utterance, at, units, partial(codec, units))
        made += continuations(predictor, spoken, how)
    require_draws(made, how)
    paths = write_latents(made, out) if out.suffix == LATENTS else write_sounds(made, out, codec)
    typer.echo("\n".join(map(str, paths)))
    return {"files": list(map(str, paths))}


def main() -> None:
    """The command."""
    cli.run(generate, EXAMPLE, "run the same command again")


if __name__ == "__main__":
    main()
