"""An interrupt that reaches code in which Python swallows it still ends the command."""

import signal
import subprocess
import sys

import pytest

from tests.orchestrator.shared_ray import REPOSITORY

PROGRAM = """
import signal, sys, time
from orchestrator.runtime.interrupts import interrupt_on_signals, send_swallowed_interrupts_again

class Finalised:
    def __del__(self):
        signal.raise_signal({number})
        time.sleep(0)

interrupt_on_signals()
if {mended}:
    send_swallowed_interrupts_again()
try:
    Finalised()
    time.sleep(2)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("mended", "code"), [(True, 130), (False, 0)])
def test_an_interrupt_in_a_finaliser_is_not_lost(number: int, mended: bool, code: int) -> None:
    program = PROGRAM.format(number=int(number), mended=mended)
    ended = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == code, ended.stderr
    assert ("Exception ignored" in ended.stderr) is not mended
