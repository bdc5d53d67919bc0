"""Files of tensors, read without running what they hold, and refused in a sentence where they are damaged."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from trainables.errors import InputError


def read_tensors(content: Path | bytes, name: str, remedy: str) -> dict[str, Any]:
    """The dict of tensors in a file, or in what was read of it, on the CPU.

    Args:
        name: of the file, for the sentence.
        remedy: what the user should do where it is damaged.

    Raises:
        InputError: it is no such file, or damaged.
    """
    import torch  # not at the top: most of what asks for files does not ask for tensors

    source = content if isinstance(content, Path) else BytesIO(content)
    try:
        tensors = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # of pickle, zip and torch, in several kinds each
        raise InputError(f"{name} cannot be read as tensors ({type(error).__name__}); {remedy}") from error
    if not isinstance(tensors, dict):
        raise InputError(f"{name} holds no tensors by name; {remedy}")
    return tensors
