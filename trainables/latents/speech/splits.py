"""Which split each speaker belongs to: each to one alone, as the names of the speakers decide."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256

from trainables.latents.storage.parquet_file import Split

_SHARE = 0.1  # of the speakers for test, and as many for validation
_MIN_TEST, _MIN_VALIDATION = 3, 2  # speakers, where the corpus has enough


def split_speakers(speakers: Collection[str]) -> dict[str, Split]:
    """The split of each speaker: 80 % train, 10 % validation and 10 % test, by a stable hash of their names.

    At least 3 speakers are for test and 2 for validation, as far as the corpus has enough: test never gets
    more than half of the speakers, and one at least is left for training.
    """
    order = sorted(speakers, key=_fraction)
    test = _first(order, upto=_SHARE, at_least=_MIN_TEST, at_most=len(order) // 2)
    rest = order[test:]
    validation = _first(rest, upto=2 * _SHARE, at_least=_MIN_VALIDATION, at_most=len(rest) - 1)
    names = [Split.TEST] * test + [Split.VALIDATION] * validation
    return dict(zip(order, names + [Split.TRAIN] * (len(order) - len(names)), strict=True))


def split_by_subset(subsets: Mapping[str, Collection[str]]) -> dict[str, Split]:
    """The split of each speaker, from the official subsets (train, dev, test) that hold recordings of theirs.

    A speaker of several subsets belongs to test rather than validation, and to either rather than train. A
    split without a subset gets a tenth of the train speakers. Where train, or everything but train, is
    missing, speakers are split as by :func:`split_speakers`.
    """
    present = {subset for those in subsets.values() for subset in those}
    if "train" not in present or len(present) == 1:
        return split_speakers(subsets)
    splits = {
        speaker: Split.TEST if "test" in those else Split.VALIDATION if "dev" in those else Split.TRAIN
        for speaker, those in subsets.items()
    }
    train = sorted((s for s, split in splits.items() if split == Split.TRAIN), key=_fraction)
    if "dev" not in present:
        moved = _first(train, upto=_SHARE, at_least=_MIN_VALIDATION, at_most=len(train) - 1)
        splits |= dict.fromkeys(train[:moved], Split.VALIDATION)
    if "test" not in present:
        moved = _first(train, upto=_SHARE, at_least=_MIN_TEST, at_most=len(train) - 1)
        splits |= dict.fromkeys(train[:moved], Split.TEST)
    return splits


def _first(order: list[str], upto: float, at_least: int, at_most: int) -> int:
    """How many of the first speakers to take: those whose fraction is below ``upto``, within bounds."""
    below = sum(_fraction(speaker) < upto for speaker in order)
    return max(0, min(max(below, at_least), at_most))


def _fraction(speaker: str) -> float:
    """A number in [0, 1) that the speaker's name alone decides."""
    return int.from_bytes(sha256(f"split of {speaker}".encode()).digest()[:8], "big") / 2**64
