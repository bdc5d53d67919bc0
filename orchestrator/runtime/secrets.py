"""Passwords in addresses, which are not shown or written down."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_HIDDEN = "***@"


def without_passwords(text: str) -> str:
    """The same text with ``***`` for the names and passwords that addresses in it hold.

    >>> without_passwords("postgresql://me:secret@host/db cannot be opened")
    'postgresql://***@host/db cannot be opened'
    """
    return _CREDENTIALS.sub(_HIDDEN, text)
