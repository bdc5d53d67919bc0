"""SIGTERM interrupts as Ctrl-C does, and neither of them what closes things."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_gets_a_signal_ends_interrupted_and_with_the_advice(number):
    code = (
        "import os; from orchestrator.runtime import cli\n"
        f"def command() -> None: os.kill(os.getpid(), {int(number)})\n"
        "cli.run(command, 'python -m it', 'take a rest')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (4, "\ninterrupted; take a rest\n")


def test_nohup_is_respected():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        interrupts.interrupt_on_signals()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


SLOW_TO_CLOSE = """
import os, subprocess, sys, time
from orchestrator.runtime import cli
from orchestrator.runtime.interrupts import {block} as block
def command() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import os, time; os.setsid(); time.sleep(60)"])
    try:
        print(child.pid, flush=True)
        time.sleep(60)
    finally:
        with block():
            print("closing", flush=True)
            time.sleep(60)
cli.run(command, "python -m it")
"""


@pytest.mark.parametrize("block", ["uninterrupted", "interrupted_afterwards"])
def test_a_second_signal_ends_everything_at_once(block):
    line = [sys.executable, "-c", SLOW_TO_CLOSE.format(block=block)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        child = int(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "closing\n"
        process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        _, complaint = process.communicate(timeout=30)
    assert time.monotonic() - started < 5 and process.returncode == 4
    assert complaint == "\nstopped at once\n"
    deadline = time.monotonic() + 5
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":  # killed; whoever reaps it may take its time
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{child}").exists()
