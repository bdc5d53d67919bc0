"""Ctrl-C, and SIGTERM in the same way: both raise KeyboardInterrupt, so that whatever is open is closed."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_STOPS = (signal.SIGINT, signal.SIGTERM)
_SECONDS_TO_LEAVE = 0.05  # what swallowed an interrupt, before it is sent again
_Handler = Callable[[int, FrameType | None], None] | signal.Handlers


def interrupt_on_sigterm() -> None:
    """Let SIGTERM, which ``kill``, ``timeout`` and schedulers send, interrupt this process as Ctrl-C does."""
    if _in_main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def send_swallowed_interrupts_again() -> None:
    """Let no interrupt be lost: one that reaches a finaliser or a weak reference's callback is sent again.

    Python prints what is raised there and goes on, as if Ctrl-C had never been pressed.
    """
    if sys.unraisablehook is not _resend:
        _others.append(sys.unraisablehook)
        sys.unraisablehook = _resend


# What was called before for exceptions that nobody can catch; the last one still is, for all but interrupts.
_others: list[Callable[[sys.UnraisableHookArgs], Any]] = []


def _resend(unraisable: sys.UnraisableHookArgs) -> None:
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        _others[-1](unraisable)
        return
    # From a thread and a moment later: raised here it would be swallowed once more.
    again = threading.Timer(_SECONDS_TO_LEAVE, os.kill, (os.getpid(), signal.SIGINT))
    again.daemon = True
    again.start()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM for a moment, while an interrupted command closes what it has opened."""
    with _handled_by(signal.SIG_IGN):
        yield


@contextmanager
def interrupted_afterwards() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait for the end of a block that must not be left half done.

    A second one does not wait. Handlers that the block itself puts in place are replaced by the former ones.
    """
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        signal.alarm(0)  # set by Ray, whose own handler runs first: three seconds later it would abort
        received.append(number)
        if len(received) > 1:
            raise KeyboardInterrupt

    with _handled_by(note):
        yield
    if received:
        raise KeyboardInterrupt


@contextmanager
def _handled_by(handler: _Handler) -> Iterator[None]:
    """Handle both signals this way for a while, in the main thread, which alone is interrupted."""
    if not _in_main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _STOPS}
    for number, former in before.items():
        if former is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, signal.SIG_DFL if former is None else former)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
