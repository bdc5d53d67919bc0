"""Promises, and the sentences that say where one is not kept.

A promise is a function that gets what is examined and yields a sentence for everything that does not hold;
the first line of its docstring says what it promises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from trainables.errors import InputError
from trainables.own_parts.failure import place_and_error

Promise = Callable[[Any], Iterator[str]]


def promised(promise: Promise) -> str:
    """What a promise says, as a sentence."""
    return " ".join((promise.__doc__ or promise.__name__).split("\n\n")[0].split())


def broken(promise: Promise, examined: Any) -> list[str]:
    """What does not hold of a promise, a sentence each; an error of the code that is examined is one too."""
    try:
        return list(promise(examined))
    except InputError as error:
        return [str(error)]
    except Exception as error:
        return [f"it fails: {place_and_error(error)}"]


def all_broken(promises: Sequence[Promise], examined: Any) -> list[str]:
    """What does not hold of some promises, a sentence each."""
    return [sentence for promise in promises for sentence in broken(promise, examined)]
