"""A Ray of this machine alone, closed to others: it listens on loopback, and asks for a token."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.runtime.ray_internals import LOOPBACK


@contextmanager
def private_environment() -> Iterator[None]:
    """A Ray that is started within the block is closed to other machines, and to who has not its token.

    The token is made anew for each block. It lies in no file, only in the environment of this process and
    of those that it starts, which the system shows to the same user alone. What the environment said before,
    such as the token of a cluster, it says again afterwards.
    """
    settings = LOOPBACK | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
