"""The audio files below a folder, and what is left out of them and why; links are followed, loops are not."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

AUDIO_SUFFIXES = (".flac", ".wav", ".ogg", ".opus", ".mp3", ".aiff", ".aif")
# What libsndfile reads besides; a file of these may still be of a kind that it does not know.
_RARE_SUFFIXES = (".aifc", ".au", ".caf", ".nist", ".oga", ".rf64", ".snd", ".sph", ".w64", ".wave")
_UNREADABLE_SUFFIXES = frozenset(
    f".{kind}"
    for kind in ("3gp aac ac3 amr ape dsf dts gsm m4a m4b mka mp4 mpc ra shn spx tta webm wma wv".split())
)
_SYSTEM = re.compile(
    r"\..*|__macosx|__pycache__|\$recycle\.bin|[#@]recycle|@eadir|lost\+found|system volume information",
    re.IGNORECASE,
)


@dataclass
class AudioTree:
    """The audio files below a folder.

    Attributes:
        files: sorted; their paths lead over links as they were found.
        left_out: files and folders that may hold audio and are not among ``files``, with the reason.
    """

    files: list[Path] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)


def audio_tree(source: Path) -> AudioTree:
    """Walk the folders below ``source``, real ones before links, and each of them once."""
    tree, walk = AudioTree(), _Walk(source)
    for file in walk.files():
        suffix = file.suffix.lower()
        if suffix in AUDIO_SUFFIXES or suffix in _RARE_SUFFIXES:
            reason = _unusable(file)
        elif suffix in _UNREADABLE_SUFFIXES:
            reason = f"{suffix} cannot be read here; convert it to .flac or .wav"
        else:
            continue
        if reason:
            tree.left_out.append((file, reason))
        else:
            tree.files.append(file)
    tree.files.sort()
    tree.left_out = sorted(tree.left_out + walk.left_out)
    return tree


def is_utf8(text: str) -> bool:
    """Whether a name from the file system is valid UTF-8; where it is not, it holds lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unusable(file: Path) -> str:
    if not is_utf8(file.name):
        return "its name is not UTF-8; rename it"
    return "" if file.exists() else "it is a link to nothing"


class _Walk:
    """Yields files folder by folder; what it does not enter is in ``left_out``."""

    def __init__(self, source: Path) -> None:
        self._source = source
        real = source.resolve()
        self._entered = {_identity(folder) for folder in (real, *real.parents)}
        self.left_out: list[tuple[Path, str]] = []

    def files(self) -> Iterator[Path]:
        folders: list[Path] = [self._source]
        links: list[Path] = []  # entered last, so that a file is found at its own place if it has one
        while folders or links:
            here = folders.pop() if folders else links.pop(0)
            if here.is_symlink() and here != self._source and not self._may_enter(here):
                continue
            for entry in self._entries(here):
                path = here / entry.name
                if not _is_folder(entry):
                    if entry.name[0] != ".":
                        yield path
                elif entry.is_symlink():
                    links.append(path)
                elif self._may_enter(path):
                    folders.append(path)

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            return sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self.left_out.append((folder, f"this folder cannot be read ({error.strerror})"))
            return []

    def _may_enter(self, folder: Path) -> bool:
        if _SYSTEM.fullmatch(folder.name):
            if any(file.suffix.lower() in AUDIO_SUFFIXES for file in folder.rglob("[!.]*")):
                self.left_out.append((folder, "hidden folders and those of the system are not looked into"))
            return False
        if not is_utf8(folder.name):
            self.left_out.append((folder, "this folder's name is not UTF-8; rename it"))
            return False
        identity = _identity(folder)
        if identity in self._entered:
            self.left_out.append((folder, "this link leads to a folder that is looked into anyway"))
            return False
        self._entered.add(identity)
        return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
