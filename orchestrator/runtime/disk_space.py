"""A disk that is full, or that may not be written to, as one sentence for the user."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trainables.errors import InputError

# EFBIG comes where files may not grow beyond what `ulimit -f` says.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_ALLOWED = (errno.EROFS, errno.EACCES, errno.EPERM)
_ANY = (*_NO_ROOM, *_NOT_ALLOWED)


class UnwritableError(InputError):
    """Something could not be written; what was there before is untouched, and no half of it lies about."""


@contextmanager
def writing(path: Path, size: int | None = None) -> Iterator[None]:
    """Within the block ``path`` is written, ``size`` bytes where that is known.

    Raises:
        UnwritableError: there is no room for it, or it may not be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _ANY:
            raise UnwritableError(_sentence(error.errno, path, size)) from error
        raise


def unwritable(error: BaseException) -> str | None:
    """The sentence for an error behind which there is a disk that could not be written to; else None.

    Ray and Arrow wrap such errors, and of those of other processes there is only the text.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, UnwritableError):
            return str(getattr(seen, "cause", seen))
        if isinstance(seen, OSError) and seen.errno in (_NO_ROOM if seen is not error else _ANY):
            named = seen.filename if isinstance(seen.filename, str | os.PathLike) else None
            return _sentence(seen.errno, Path(named) if named else Path.cwd(), None)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    if os.strerror(errno.ENOSPC) in str(error):
        return _sentence(errno.ENOSPC, Path.cwd(), None)
    return None


def _sentence(number: int | None, path: Path, size: int | None) -> str:
    reason, path = os.strerror(number or 0), path.absolute()
    if number in _NOT_ALLOWED:
        return f"{path} cannot be written ({reason}); work in a folder that you may write to"
    needed = f"{_megabytes(size)} are needed" if size is not None else "more room is needed"
    return (
        f"no room is left to write {path}: {needed}, {_free(path)} free ({reason}); make room there and run "
        "the command again"
    )


def _free(path: Path) -> str:
    for folder in (path, *path.parents):
        with suppress(OSError):
            return f"{_megabytes(shutil.disk_usage(folder).free)} are"
    return "nothing is"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.3g} MB"
