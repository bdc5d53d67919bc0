"""One hash for several datasets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def joint_hash(hashes: Sequence[str]) -> str:
    """One hash for several datasets in their order; a single dataset keeps its hash."""
    return hashes[0] if len(hashes) == 1 else hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:16]
