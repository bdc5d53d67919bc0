"""Which split each speaker belongs to: no speaker crosses, and nothing but the speakers' names decides."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256

from trainables.latents.storage.parquet_file import Split

_SHARE = 0.1  # of the speakers for test, and as much for validation
_MIN_TEST, _MIN_VALIDATION = 3, 2  # speakers, where the corpus has enough


def split_speakers(speakers: Collection[str]) -> dict[str, Split]:
    """80 % train, 10 % validation, 10 % test by a stable hash of each speaker's name.

    At least 3 speakers are for test and 2 for validation, where that leaves as many for the rest.
    """
    order = sorted(speakers, key=_fraction)
    test = _first(order, upto=_SHARE, at_least=_MIN_TEST, at_most=len(order) // 2)
    rest = order[test:]
    validation = _first(rest, upto=2 * _SHARE, at_least=_MIN_VALIDATION, at_most=len(rest) - 1)
    names = [Split.TEST] * test + [Split.VALIDATION] * validation
    return dict(zip(order, names + [Split.TRAIN] * (len(order) - len(names)), strict=True))


def split_by_subset(subsets: Mapping[str, Collection[str]]) -> dict[str, Split]:
    """Splits from the official subsets (train, dev, test) that each speaker was found in.

    A speaker of several subsets belongs to the most protected. A split without a subset is filled with a
    tenth of the train speakers. Where train, or all but train, is missing, see split_speakers.
    """
    found = {kind for kinds in subsets.values() for kind in kinds}
    if "train" not in found or len(found) == 1:
        return split_speakers(subsets)
    splits = {
        speaker: Split.TEST if "test" in kinds else Split.VALIDATION if "dev" in kinds else Split.TRAIN
        for speaker, kinds in subsets.items()
    }
    train = sorted((s for s, split in splits.items() if split == Split.TRAIN), key=_fraction)
    if "dev" not in found:
        moved = _first(train, upto=_SHARE, at_least=_MIN_VALIDATION, at_most=len(train) - 1)
        splits |= dict.fromkeys(train[:moved], Split.VALIDATION)
    if "test" not in found:
        moved = _first(train, upto=_SHARE, at_least=_MIN_TEST, at_most=len(train) - 1)
        splits |= dict.fromkeys(train[:moved], Split.TEST)
    return splits


def _first(order: list[str], upto: float, at_least: int, at_most: int) -> int:
    """How many of the first speakers to take: those whose fraction is below ``upto``, within bounds."""
    below = sum(_fraction(speaker) < upto for speaker in order)
    return max(0, min(max(below, at_least), at_most))


def _fraction(speaker: str) -> float:
    """A number in [0, 1) that only the speaker's name decides."""
    return int.from_bytes(sha256(f"split of {speaker}".encode()).digest()[:8], "big") / 2**64
