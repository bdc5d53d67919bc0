"""What a GPU gives: the tests that need one and the benchmarks that depend on one, written down as a section
of ``benchmarks/RESULTS.md``: ``python -m benchmarks.gpu``, or ``make gpu``.

Without a GPU that torch can use it says so in one sentence, and ends with exit code 2.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.timing import machine

RESULTS = Path(__file__).parent / "RESULTS.md"
TITLE = "## On a GPU: `make gpu`"
# Each ends within minutes; scale leaves out its 100 hours of latents.
STEPS = (
    "pytest -m gpu --durations 0",
    "benchmarks.rollout --device cuda",
    "benchmarks.exploration",
    "benchmarks.scale --hours 1 10",
)
NO_DEVICE = (
    "No GPU that torch can use was found on this machine: nothing was run; run `make gpu` on one that has it."
)


@dataclass(frozen=True)
class Outcome:
    """What became of one step: its exit code, its seconds and what it printed."""

    step: str
    code: int
    seconds: float
    output: str


def main() -> int:
    """Run every step, whatever becomes of the others, and write the section; 1 where one of them failed."""
    if not torch.cuda.is_available():
        print(NO_DEVICE, file=sys.stderr)
        return 2
    outcomes = [_run(step) for step in STEPS]
    RESULTS.write_text(with_section(RESULTS.read_text(), section(machine(), outcomes)))
    failed = [outcome.step for outcome in outcomes if outcome.code]
    print(f"written to {RESULTS}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def _run(step: str) -> Outcome:
    print(f"python -m {step}", flush=True)
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *step.split()],
        cwd=RESULTS.parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(done.stdout, flush=True)
    return Outcome(step, done.returncode, time.perf_counter() - started, done.stdout)


def section(device: str, outcomes: Sequence[Outcome]) -> str:
    """The section as Markdown: device and versions, then what every step printed."""
    parts = [f"{TITLE}\n\n{device}."]
    for outcome in outcomes:
        failed = f", failed with exit code {outcome.code}" if outcome.code else ""
        text = re.sub(r"\x1b\[[0-9;]*m", "", outcome.output).replace("```", "'''").strip()
        parts.append(f"`python -m {outcome.step}` ({outcome.seconds:.0f} s{failed}):\n\n```\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def with_section(document: str, written: str) -> str:
    """A document with the section in place of an earlier one, or else at its end."""
    before, found, rest = document.partition(f"{TITLE}\n")
    after = re.search(r"^## ", rest, re.MULTILINE) if found else None
    following = f"\n{rest[after.start() :]}" if after else ""
    return f"{before.rstrip()}\n\n{written}{following}"


if __name__ == "__main__":
    sys.exit(main())
