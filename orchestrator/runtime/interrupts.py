"""Ctrl-C, SIGTERM and SIGHUP: all raise KeyboardInterrupt, so that whatever is open is closed.

Within a command a second one does not wait for that: it ends the process and those that it has started.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from orchestrator.runtime.descendants import kill_descendants
from orchestrator.runtime.exit_codes import ExitCode

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SECONDS_TO_LEAVE = 0.05  # what swallowed an interrupt, before it is sent again
_Handler = Callable[[int, FrameType | None], None] | signal.Handlers

_received: list[int] = []  # signals that this command has got
_is_command = False  # whether the second signal ends this process at once


class Stopped(KeyboardInterrupt):
    """An interrupt that says by which signal it came."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def signal_of(error: BaseException | None) -> int:
    """The signal behind an interrupt. Where it does not say, since Ray raises interrupts anew, it is the last
    one that came, else SIGINT.
    """
    return getattr(error, "number", _received[-1] if _received else signal.SIGINT)


def signal_name(error: BaseException) -> str:
    """The signal behind an interrupt as a user calls it, such as Ctrl-C."""
    number = signal_of(error)
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


def interrupt_on_signals() -> None:
    """Let SIGTERM and SIGHUP interrupt this process as Ctrl-C does.

    The first is what ``kill``, ``timeout`` and schedulers send, the second what a closed terminal sends. What
    is ignored already, as under ``nohup``, stays ignored.
    """
    if not _in_main_thread():
        return
    for number in _STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


@contextmanager
def second_signal_ends_at_once() -> Iterator[None]:
    """Within the block, which is a whole command, nobody who interrupts twice has to wait."""
    global _is_command
    _received.clear()
    _is_command = True
    try:
        yield
    finally:
        _is_command = False


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
    _received.clear()  # it was not heard, so the next one is the first
    # From a thread and a moment later: raised here it would be swallowed once more.
    number = signal_of(unraisable.exc_value)
    again = threading.Timer(_SECONDS_TO_LEAVE, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def interrupt_with(error: Exception) -> None:
    """Raise an error in the main thread, from another one, wherever an interrupt would be raised there."""
    _pending.append(error)
    os.kill(os.getpid(), signal.SIGINT)


# Errors of other threads, which the next interrupt raises.
_pending: list[Exception] = []


def _stop(number: int, frame: FrameType | None) -> None:
    if _pending:
        raise _pending.pop()
    _note(number)
    raise Stopped(number)


def _note(number: int) -> None:
    """Remember a signal; the second one of a command is its end. What another thread has sent is none."""
    if _pending:
        return
    _received.append(number)
    if _is_command and len(_received) > 1:
        kill_descendants()
        with suppress(OSError):
            os.write(2, b"\nstopped at once\n")
        os._exit(ExitCode.INTERRUPTED)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore interrupts for a moment, while an interrupted command closes what it has opened."""
    with _handled_by(lambda number, frame: _note(number)):
        yield


@contextmanager
def interrupted_afterwards() -> Iterator[None]:
    """Let interrupts wait for the end of a block that must not be left half done.

    A second one does not wait. Handlers that the block itself puts in place are replaced by the former ones.
    """
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        signal.alarm(0)  # set by Ray, whose own handler runs first: three seconds later it would abort
        received.append(number)
        _note(number)
        if len(received) > 1:
            raise Stopped(number)

    with _handled_by(note):
        yield
    if received:
        raise Stopped(received[0])


@contextmanager
def _handled_by(handler: _Handler) -> Iterator[None]:
    """Handle all of these signals this way for a while, in the main thread, which alone is interrupted."""
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
