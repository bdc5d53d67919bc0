"""Kill what a sweep consists of at random moments, resume it where it ended, and compare it with a calm one.

    python -m benchmarks.kills --kills 10 --what driver raylet gcs actor

For each kind of process, as many are killed with SIGKILL. An undisturbed sweep runs first, in a folder of its
own. What must come out: its verdict and its estimates; no lane that was there is written again, which is seen
from the files of the lanes themselves; and a sentence, not a traceback, where a run had to end. Ray keeps its
object store in the raylet, so the two die together. The default sweep is no smoke run: control worlds and
ablations are a part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.runtime.descendants import descendants
from orchestrator.runtime.exit_codes import ExitCode

SWEEP = "vmf_vs_mdn --trials 4 --replicates 7 --no-diagnosis"
# How the processes below a driver are told apart: by the beginning or the end of what they are called.
_KINDS: dict[str, Callable[[str], bool]] = {
    "raylet": lambda line: line.split(" ")[0].endswith("/raylet"),
    "gcs": lambda line: line.split(" ")[0].endswith("/gcs_server"),
    "actor": lambda line: line.startswith("ray::") and "IDLE" not in line,
}
_LONGEST = 3600  # seconds of one sweep
_WITH_VERDICT = (ExitCode.DONE, ExitCode.INADMISSIBLE)  # of a sweep that came to its end
_TRACEBACK = "Traceback (most recent call last)"


@dataclass
class Outcome:
    """What became of a sweep of which one kind of process was killed again and again."""

    kind: str
    moments: list[float] = field(default_factory=list)  # seconds after the start of a sweep or its resumption
    survived: int = 0  # kills after which the same process went on
    ended: list[int] = field(default_factory=list)  # exit codes of those that did not
    tracebacks: int = 0
    again: set[str] = field(default_factory=set)  # lanes that were there and were written once more
    verdict: str = ""
    apart: float = float("nan")  # largest difference of any estimate from the calm sweep
    seconds: float = 0.0

    def holds(self, verdict: str) -> bool:
        """Whether nothing is wrong with it."""
        return self.verdict == verdict and not self.again and not self.tracebacks and self.apart < 1e-4

    def row(self) -> str:
        """A line of the table."""
        codes = ",".join(map(str, sorted(set(self.ended)))) or "-"
        cells = (self.kind, len(self.moments), self.survived, codes, self.tracebacks, len(self.again))
        return f"| {' | '.join(map(str, cells))} | {self.verdict} | {self.apart:.2g} | {self.seconds:.0f} |"


HEADER = (
    "| killed | times | went on | exit codes | tracebacks | lanes trained again | "
    "verdict | difference | seconds |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="of each kind")
    parser.add_argument("--what", nargs="+", default=["driver", *_KINDS], choices=["driver", *_KINDS])
    parser.add_argument("--sweep", default=SWEEP, help="arguments of the sweep")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    asked = parser.parse_args()
    arguments, rng = asked.sweep.split(), random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        calm = Path(folder) / "calm"
        seconds = undisturbed(calm, arguments)
        verdict, _ = numbers(calm)
        print(f"undisturbed: {verdict} in {seconds:.0f} s\n\n{HEADER}", flush=True)
        good = True
        for kind in asked.what:
            outcome = disturbed(Path(folder) / kind, arguments, kind, asked.kills, seconds, rng)
            outcome.apart = apart(calm, Path(folder) / kind)
            print(outcome.row(), flush=True)
            if outcome.tracebacks:
                print(_log(Path(folder) / kind), file=sys.stderr, flush=True)
            good &= outcome.holds(verdict)
    sys.exit(not good)


def undisturbed(folder: Path, arguments: list[str]) -> float:
    """Run the sweep to its end; return the seconds that it took."""
    started = time.monotonic()
    process = _start(folder, arguments)
    if process.wait(timeout=_LONGEST) not in _WITH_VERDICT:
        raise SystemExit(f"the undisturbed sweep ended with exit code {process.returncode}:\n{_log(folder)}")
    return time.monotonic() - started


def disturbed(
    folder: Path, arguments: list[str], kind: str, kills: int, seconds: float, rng: random.Random
) -> Outcome:
    """Kill so often, each time somewhere in what an undisturbed sweep takes, then let it end."""
    outcome, started = Outcome(kind), time.monotonic()
    process, since = _start(folder, arguments), time.monotonic()
    there: dict[str, int] = {}
    while process.poll() is None or process.returncode not in _WITH_VERDICT:
        if process.returncode is not None:  # ended by a kill: go on with it
            outcome.ended.append(process.returncode)
            process, since = _start(folder, arguments), time.monotonic()
        moment = rng.uniform(1.0, 0.7 * seconds)
        if len(outcome.moments) >= kills:
            moment = float(_LONGEST)
        deadline = since + moment
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
            there = _compare(folder, there, outcome)
        if process.poll() is not None or not _kill(process.pid, kind, rng):
            since = time.monotonic()
            continue
        outcome.moments.append(moment)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=90)  # a driver that lost its Ray takes up to a minute to notice
        outcome.survived += process.poll() is None or process.returncode in _WITH_VERDICT
        since = time.monotonic()
    _compare(folder, there, outcome)
    outcome.tracebacks = _log(folder).count(_TRACEBACK)
    outcome.verdict, outcome.seconds = numbers(folder)[0], time.monotonic() - started
    return outcome


def _compare(folder: Path, before: dict[str, int], outcome: Outcome) -> dict[str, int]:
    """The files of the lanes by name, each with its inode, which is another one where it is written again."""
    now = {path.name: path.stat().st_ino for path in folder.glob("runs/lanes/*.json")}
    outcome.again |= {name for name, inode in before.items() if now.get(name) != inode}
    return now


def _kill(driver: int, kind: str, rng: random.Random) -> bool:
    """Kill one process of a kind; return whether there was one."""
    found = [driver] if kind == "driver" else list(_of_kind(driver, kind))
    if not found:
        return False
    with suppress(ProcessLookupError):
        os.kill(rng.choice(found), signal.SIGKILL)
    return True


def _of_kind(driver: int, kind: str) -> Iterator[int]:
    for process in descendants(driver):
        with suppress(OSError):
            line = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if _KINDS[kind](line):
                yield process


def _start(folder: Path, arguments: list[str]) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    root = str(Path(__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    resume = ["--resume"] if _begun(folder, arguments[0]) else []
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "orchestrator.sweep", *arguments, *resume],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )


def _log(folder: Path) -> str:
    return (folder / "log.txt").read_text(errors="replace")


def _begun(folder: Path, study: str) -> bool:
    journals = folder.glob(f"runs/{study}-*/journal.jsonl")
    return any('"event": "planned"' in journal.read_text(errors="replace") for journal in journals)


def numbers(folder: Path) -> tuple[str, list[float]]:
    """The verdict in a folder, and all estimates of criteria and ablations."""
    (path,) = [p for p in folder.glob("runs/*/verdict.json") if not p.parent.name.startswith("assay-")]
    record: dict[str, Any] = json.loads(path.read_text())
    estimates = [c["estimate"]["estimate"] for c in record["criteria"] if c["estimate"]]
    estimates += [a["effect"]["estimate"] for a in record["ablations"] if a["effect"]]
    return record["verdict"], estimates


def apart(calm: Path, other: Path) -> float:
    """The largest difference of any estimate."""
    before, after = numbers(calm)[1], numbers(other)[1]
    return max((abs(a - b) for a, b in zip(before, after, strict=True)), default=0.0)


if __name__ == "__main__":
    main()
