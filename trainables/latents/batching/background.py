"""Work that is done in a thread while the caller does something else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from threading import Thread
from typing import Generic, TypeVar

Returned = TypeVar("Returned")


class Background(Generic[Returned]):
    """A call in a thread of its own, which does not keep the process from ending."""

    def __init__(self, make: Callable[[], Returned]) -> None:
        self._future: Future[Returned] = Future()
        Thread(target=self._run, args=(make,), daemon=True).start()

    def result(self) -> Returned:
        """What the call returned, once it has; what it raised is raised here."""
        return self._future.result()

    def _run(self, make: Callable[[], Returned]) -> None:
        try:
            self._future.set_result(make())
        except BaseException as error:
            self._future.set_exception(error)


def one_ahead(makers: Iterable[Callable[[], Returned]]) -> Iterator[Returned]:
    """What the calls return, each of them made while the caller uses what the one before has returned."""
    waiting: Background[Returned] | None = None
    for make in makers:
        ready, waiting = waiting, Background(make)
        if ready is not None:
            yield ready.result()
            del ready
    if waiting is not None:
        yield waiting.result()
