"""Control worlds on disk, written on first use."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from trainables.latents.worlds.catalogue import write_world

CONTROLS = Path("latents/controls")
PREFIX = "control:"


def latents_folder(named: str) -> Path:
    """The folder that ``--latents`` names: a folder, or a control world as ``control:NAME``.

    Raises:
        InputError: no control world has that name.
    """
    return world_folder(named.removeprefix(PREFIX)) if named.startswith(PREFIX) else Path(named)


def world_folder(name: str) -> Path:
    """The folder of a control world, written where it is missing; it appears whole or not at all."""
    folder = CONTROLS / name
    if any(folder.glob("*.parquet")):
        return folder
    with tempfile.TemporaryDirectory() as empty:
        write_world(name, Path(empty))  # an unknown world is refused before anything is made here
        CONTROLS.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=CONTROLS))
        shutil.copytree(empty, draft, dirs_exist_ok=True)
    try:
        draft.chmod(0o755)
        draft.rename(folder)
    except OSError:  # another process was first; its frames are the same
        shutil.rmtree(draft)
    return folder
