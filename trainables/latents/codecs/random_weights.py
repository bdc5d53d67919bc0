"""`python -m trainables.latents.codecs.random_weights NAME FOLDER`: weights of real size that mean nothing.

A machine that cannot reach the published weights can then go all the way from audio to a verdict. The files
are those that the codec reads, and their header says what they are: the note "random weights" follows
everything that is made with them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.errors import InputError
from trainables.latents.codecs import mimi, pretrained

if TYPE_CHECKING:
    from torch import Tensor

NOTE = "random weights"


def write_random_weights(name: str, folder: Path, **settings: Any) -> Path:
    """Write random weights, the same every time, and return the folder to load them from.

    Args:
        name: "mimi", "encodec" or "dac".
        folder: is made; must not hold weights already.
        settings: of the configuration, in place of the published model's; mimi has none.

    Raises:
        InputError: another name, or a folder that holds weights.
    """
    import torch

    if name not in WRITERS:
        raise InputError(f"{name!r} has no weights to be replaced (known: {', '.join(WRITERS)})")
    present = sorted(folder.glob("*.safetensors"))
    if present:
        raise InputError(f"{folder} holds weights already ({present[0].name}); give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        WRITERS[name](folder, **settings)
    return folder


def _mimi(folder: Path) -> None:
    from moshi.models.loaders import get_mimi

    # The encoder's output is small, and with codebook entries further apart a code would hardly ever change.
    _save(get_mimi(None).state_dict(), "embedding_sum", folder / mimi.HUB_FILE, {}, spread=0.005)


def _encodec(folder: Path, **settings: Any) -> None:
    from transformers import EncodecConfig, EncodecModel

    model = EncodecModel(EncodecConfig(**settings))
    model.config.save_pretrained(folder)
    _save(model.state_dict(), "codebook.embed", folder / pretrained.FILES[-1], {"format": "pt"})


def _dac(folder: Path, **settings: Any) -> None:
    from transformers import DacConfig, DacModel

    published = {"downsampling_ratios": [2, 4, 5, 8], "n_codebooks": 12, "sampling_rate": 16000}
    model = DacModel(DacConfig(**published | settings))
    model.config.save_pretrained(folder)
    _save(model.state_dict(), "codebook.weight", folder / pretrained.FILES[-1], {"format": "pt"})


WRITERS: dict[str, Callable[..., None]] = {"mimi": _mimi, "encodec": _encodec, "dac": _dac}


def _save(
    state: dict[str, Tensor], codebooks: str, file: Path, header: dict[str, str], spread: float = 1.0
) -> None:
    """Write a new model's weights, changed so that codes and audio depend on what goes in.

    In a new model biases are larger than the signal, codebooks are empty, and some weights are so small that
    nothing comes through.
    """
    import torch
    from safetensors.torch import save_file

    for name, values in state.items():
        if name.endswith("bias"):
            values.zero_()
        elif name.endswith(codebooks):
            values.normal_(std=spread)
        elif name.endswith("weight.original0"):  # the norm of a channel's weights, where they are normalised
            values.fill_(2**0.5)
        elif values.ndim == 3 and not name.endswith(("alpha", "weight.original1")):
            torch.nn.init.xavier_uniform_(values)
    save_file({k: v.contiguous() for k, v in state.items()}, file, metadata=header | {"note": NOTE})
    _sort_header(file)


def _sort_header(file: Path) -> None:
    """Sort the entries of a header, which the library writes in any order: equal weights then hash alike."""
    with file.open("r+b") as stream:
        length = int.from_bytes(stream.read(8), "little")
        entries = json.loads(stream.read(length))
        stream.seek(8)
        stream.write(json.dumps(entries, sort_keys=True, separators=(",", ":")).encode().ljust(length))


def main(arguments: list[str]) -> None:
    """The command: write the weights, and say how to use them."""
    parser = argparse.ArgumentParser(prog="random_weights", description="Write random weights of a codec.")
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(WRITERS)}")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where to write them")
    options = parser.parse_args(arguments)
    try:
        folder = write_random_weights(options.name, options.folder)
    except InputError as error:
        parser.exit(2, f"{error}\n")
    print(f"wrote random weights of {options.name}; use them with --weights {folder}")


if __name__ == "__main__":
    main(sys.argv[1:])
