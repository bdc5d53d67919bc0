"""Folders of control worlds, which are written on first use."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from trainables.latents.storage.parquet_file import PREFIX
from trainables.latents.worlds.catalogue import WORLDS, write_world
from trainables.own_parts.registry import PartKind, is_own_part, reference_of
from trainables.own_parts.source import source_hash

CONTROLS = Path("latents/controls")
_OURS = "trainables.latents.worlds.catalogue:WORLDS"


def latents_folder(latents: str) -> Path:
    """The folder that ``--latents`` names: a folder, or a control world as ``control:NAME``.

    Raises:
        InputError: no control world has that name.
    """
    return world_folder(latents.removeprefix(PREFIX)) if latents.startswith(PREFIX) else Path(latents)


def world_folder(name: str) -> Path:
    """The folder of a control world, written where it is missing; it appears complete or not at all.

    Its name has a hash of the code that writes it, so that nobody goes on with frames of an earlier version.

    Raises:
        InputError: no control world has that name.
    """
    is_own = name not in WORLDS and is_own_part(PartKind.WORLD, name)
    code = source_hash(reference_of(PartKind.WORLD, name) if is_own else _OURS)
    folder = CONTROLS / f"{name}-{code[:8]}"
    if any(folder.glob("*.parquet")):
        return folder
    with tempfile.TemporaryDirectory() as temporary:
        write_world(name, Path(temporary))  # an unknown world is refused before CONTROLS is made
        CONTROLS.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=CONTROLS))
        shutil.copytree(temporary, draft, dirs_exist_ok=True)
    try:
        draft.chmod(0o755)
        draft.rename(folder)
    except OSError:  # another process was first, and wrote the same frames
        shutil.rmtree(draft)
    return folder
