"""Hashes of several things together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def joint_hash(hashes: Sequence[str]) -> str:
    """Of several datasets in their order; that of one alone is its own."""
    return hashes[0] if len(hashes) == 1 else hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:16]
