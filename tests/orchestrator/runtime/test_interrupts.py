"""SIGTERM interrupts as Ctrl-C does, and neither of them what closes things."""

import os
import signal
import subprocess
import sys

import pytest

from orchestrator.runtime import interrupts
from orchestrator.runtime.interrupts import interrupt_on_signals, interrupted_afterwards, uninterrupted


@pytest.fixture(autouse=True)
def handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_sigterm_interrupts():
    interrupt_on_signals()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_interrupts_what_is_being_closed_and_afterwards_it_does_again(number):
    interrupt_on_signals()
    with uninterrupted():
        os.kill(os.getpid(), number)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_waits_for_the_end_of_a_block_and_a_second_one_does_not(number):
    interrupt_on_signals()
    reached = []
    with pytest.raises(KeyboardInterrupt), interrupted_afterwards():
        os.kill(os.getpid(), number)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as ray.init puts handlers in place
        reached.append("the end")
    assert reached == ["the end"] and signal.getsignal(signal.SIGTERM) is interrupts._stop
    with pytest.raises(KeyboardInterrupt), interrupted_afterwards():
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        reached.append("too far")
    assert reached == ["the end"]


@pytest.mark.parametrize(("name", "code_of_exit"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_command_that_gets_a_signal_ends_with_its_code_and_the_advice(name: str, code_of_exit: int):
    code = (
        "import os, signal; from orchestrator.runtime import cli\n"
        f"def command() -> None: os.kill(os.getpid(), signal.{name})\n"
        "cli.run(command, 'python -m it', 'take a rest')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code_of_exit, "\ninterrupted; take a rest\n")
