"""Ids of speakers: written in one way, compared with each other, and read from a file's place."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePath

from trainables.errors import InputError


def clean_id(text: str) -> str:
    """An id without spaces around it, in Unicode's composed form (NFC): one voice has one spelling."""
    return unicodedata.normalize("NFC", text).strip()


def near_equal_ids(speakers: Iterable[str]) -> list[str]:
    """A sentence of warning where ids differ only by case, separators, or zeros before a number."""
    alike = defaultdict(set)
    for speaker in speakers:
        alike[_blurred(speaker)].add(speaker)
    pairs = [" and ".join(map(repr, sorted(ids))) for _, ids in sorted(alike.items()) if len(ids) > 1]
    if not pairs:
        return []
    more = f" (and {len(pairs) - 3} more)" if len(pairs) > 3 else ""
    return [
        f"ids of speakers are nearly equal: {', '.join(pairs[:3])}{more}; they count as different speakers, "
        "so rename them if they are one"
    ]


def _blurred(speaker: str) -> str:
    text = unicodedata.normalize("NFKC", speaker).casefold()
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[\W_]+", "-", text))


class SpeakerPattern:
    """A regular expression with one group, which finds the speaker in a path below the source.

    Raises:
        InputError: it is no regular expression, or has no group or several of which none is called speaker.
    """

    def __init__(self, text: str) -> None:
        try:
            self._pattern = re.compile(text)
        except re.error as error:
            raise InputError(
                f"--speaker-from {text!r} is no regular expression ({error}); correct it"
            ) from None
        if "speaker" not in self._pattern.groupindex and self._pattern.groups != 1:
            raise InputError(
                f"--speaker-from {text!r} has {self._pattern.groups} groups; put one pair of parentheses "
                "around the part of a path that is the speaker, such as '/(p[0-9]+)_'"
            )

    def speaker(self, place: PurePath) -> str:
        """The speaker of a file, given its path below the source; empty where the pattern finds none."""
        match = self._pattern.search(place.as_posix())
        group = "speaker" if "speaker" in self._pattern.groupindex else 1
        return clean_id(match[group] or "") if match else ""
