"""Kill what sweeps consist of at random moments, resume them, and compare each with a calm one.

    python -m benchmarks.kills --kills 5 --what driver terminated raylet gcs actor mlflow
    python -m benchmarks.kills --kills 5 --what driver --roadmap "--smoke --latents control:directional"

For each sweep, or whole roadmap, an undisturbed one runs first, in a folder of its own. Then one suffers all
kinds of kills, in random order and so many of each, and another one what is left of them: a process dies by
SIGKILL ("terminated": the driver, asked by SIGTERM to end) within an eighth of what an undisturbed sweep
takes, and what has ended is gone on with. What must come out: the same verdict and estimates; no lane that
was there is written again, which is seen from the files of the lanes themselves; a sentence, not a
traceback, where a run had to end; and every lane in the MLflow store, once ``report --record`` has been
asked for what is missing. Ray keeps its object store in the raylet, so the two die together. An MLflow
server that was killed comes back some seconds later. The default sweeps are no smoke runs: control worlds
and ablations are a part of them.
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
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.tracking_server import TrackingServer
from orchestrator.runtime.descendants import descendants
from orchestrator.runtime.exit_codes import ExitCode

SWEEPS = (
    "vmf_vs_mdn --trials 2 --set steps=30 --no-diagnosis",
    "archetypes --latents control:postures --no-diagnosis",
)
_SWEEP, _ROADMAP = "orchestrator.sweep", "orchestrator.roadmap"
DRIVER, TERMINATED, MLFLOW = "driver", "terminated", "mlflow"
# How the processes below a driver are told apart: by the beginning or the end of what they are called.
_KINDS: dict[str, Callable[[str], bool]] = {
    "raylet": lambda line: line.split(" ")[0].endswith("/raylet"),
    "gcs": lambda line: line.split(" ")[0].endswith("/gcs_server"),
    # Ray's own agents bear such a name too, and a raylet ends with them.
    "actor": lambda line: line.startswith("ray::") and "IDLE" not in line and "Agent" not in line,
}
_LONGEST = 14_400  # seconds of one sweep, or roadmap
_AWAY = 8.0  # seconds for which a killed MLflow server is away
_WITH_VERDICT = (ExitCode.DONE, ExitCode.INADMISSIBLE)  # of a sweep that came to its end
_TRACEBACK = "Traceback (most recent call last)"


@dataclass
class Kills:
    """The kills of one kind in a sweep."""

    times: int = 0
    survived: int = 0  # after which the same process went on
    ended: list[int] = field(default_factory=list)  # exit codes of those that did not

    def row(self, kind: str) -> str:
        """A line of the table."""
        codes = ", ".join(map(str, sorted(set(self.ended)))) or "-"
        return f"| {kind} | {self.times} | {self.survived} | {codes} |"


@dataclass
class Outcome:
    """What became of sweeps whose processes were killed again and again."""

    kills: dict[str, Kills]
    tracebacks: int = 0
    again: int = 0  # lanes that were there and were written once more
    unrecorded: int = 0  # lanes that MLflow does not have in the end
    verdicts: list[str] = field(default_factory=list)  # of each sweep
    apart: float = 0.0  # largest difference of any estimate from the calm sweep
    seconds: float = 0.0

    def holds(self, verdict: str) -> bool:
        """Whether nothing is wrong with it."""
        wrong = self.again or self.tracebacks or self.unrecorded
        return set(self.verdicts) == {verdict} and not wrong and self.apart < 1e-4

    def table(self) -> str:
        """What was killed, and a sentence on what came of it."""
        head = "| killed | times | went on | exit codes |\n| --- | --- | --- | --- |"
        rows = [kills.row(kind) for kind, kills in self.kills.items()]
        sweeps = f"{len(self.verdicts)} sweep{'s' if len(self.verdicts) > 1 else ''}"
        end = (
            f"{sweeps}: {', '.join(self.verdicts)}, estimates at most {self.apart:.2g} from the undisturbed "
            f"ones; {self.again} lanes trained again, {self.unrecorded} missing in MLflow, "
            f"{self.tracebacks} tracebacks; {self.seconds:.0f} s"
        )
        return "\n".join([head, *rows, "", end])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=5, help="of each kind, in each sweep")
    kinds = [DRIVER, TERMINATED, *_KINDS, MLFLOW]
    parser.add_argument("--what", nargs="+", default=kinds, choices=kinds)
    parser.add_argument("--sweep", action="append", help="arguments of a sweep; may be given several times")
    parser.add_argument("--roadmap", action="append", help="arguments of a roadmap, likewise")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    asked = parser.parse_args()
    rng, good = random.Random(asked.seed), True
    sweeps = asked.sweep or (() if asked.roadmap else SWEEPS)
    commands = [f"{_SWEEP} {of}" for of in sweeps] + [f"{_ROADMAP} {of}" for of in asked.roadmap or ()]
    for command in commands:
        with tempfile.TemporaryDirectory() as folder:
            good &= compared(Path(folder), command.split(), asked.what, asked.kills, rng)
    sys.exit(not good)


def compared(folder: Path, command: list[str], kinds: list[str], kills: int, rng: random.Random) -> bool:
    """Run a sweep undisturbed and then with kills; print what came of it. Whether all is well."""
    calm = folder / "calm"
    seconds = undisturbed(calm, command)
    verdict, _ = numbers(calm)
    print(f"\n{' '.join(command)}, undisturbed: {verdict} in {seconds:.0f} s\n", flush=True)
    left = kinds * kills
    rng.shuffle(left)
    outcome = Outcome({kind: Kills() for kind in kinds})
    while left:
        killed = folder / f"killed-{len(outcome.verdicts)}"
        disturb(killed, command, left, seconds, rng, outcome)
        outcome.verdicts.append(numbers(killed)[0])
        outcome.apart = max(outcome.apart, apart(calm, killed))
        print(f"{outcome.table()}\n", flush=True)
    if outcome.tracebacks:
        for log in folder.glob("killed-*/log.txt"):
            print(_log(log.parent), file=sys.stderr, flush=True)
    return outcome.holds(verdict)


def undisturbed(folder: Path, command: list[str]) -> float:
    """Run the sweep to its end; return the seconds that it took."""
    started = time.monotonic()
    process = _start(folder, command)
    if process.wait(timeout=_LONGEST) not in _WITH_VERDICT:
        raise SystemExit(f"the undisturbed sweep ended with exit code {process.returncode}:\n{_log(folder)}")
    return time.monotonic() - started


def disturb(
    folder: Path, command: list[str], left: list[str], seconds: float, rng: random.Random, outcome: Outcome
) -> None:
    """Kill one kind of those ``left`` after the other, until the sweep has come to its end.

    Each comes within an eighth of the ``seconds`` that an undisturbed sweep takes.
    """
    started, there = time.monotonic(), dict[str, int]()
    folder.mkdir()
    with TrackingServer(folder) if MLFLOW in left else nullcontext() as server:
        address = server.address if server else ""
        process, since = _start(folder, command, address), time.monotonic()
        latest, late, most = Kills(), 0, len(left)
        while process.poll() is None or process.returncode not in _WITH_VERDICT:
            if process.returncode is not None:  # ended by a kill: go on with it
                process, since = _start(folder, command, address), time.monotonic()
            after = rng.uniform(1.0, seconds / 8) if left else float(_LONGEST)
            while process.poll() is None and time.monotonic() < since + after:
                time.sleep(0.2)
                there = _compare(folder, there, outcome)
            since = time.monotonic()
            if process.returncode is not None:
                if process.returncode not in _WITH_VERDICT:  # of the latest kill, noticed late
                    latest.survived, late = latest.survived - 1, late + 1
                    latest.ended.append(process.returncode)
                if late > most:
                    raise SystemExit(f"the sweep ends by itself:\n{_log(folder)}")
                continue
            if not _kill(process.pid, left[0], server, rng):
                continue  # there is none of this kind yet
            latest = outcome.kills[left[0]]
            latest.times += 1
            # A driver that lost its Ray takes up to a minute to notice; what has lost its record goes on.
            is_record = left.pop(0) == MLFLOW
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_AWAY if is_record else 90)
            if is_record and server:
                server.start()
            if process.poll() is None or process.returncode in _WITH_VERDICT:
                latest.survived += 1
            else:
                latest.ended.append(process.returncode)
            since = time.monotonic()
            there = _compare(folder, there, outcome)
        outcome.unrecorded += _unrecorded(folder, address)
    outcome.tracebacks += _log(folder).count(_TRACEBACK)
    outcome.seconds += time.monotonic() - started


def _unrecorded(folder: Path, address: str) -> int:
    """How many lanes of the judged runs MLflow lacks, after what is missing has been asked for."""
    return sum(_unrecorded_of(path.parent, folder, address) for path in _judged(folder))


def _unrecorded_of(run: Path, folder: Path, address: str) -> int:
    from mlflow import MlflowClient

    line = [sys.executable, "-m", "orchestrator.report", str(run), "--record"]
    with (folder / "log.txt").open("ab") as log:
        subprocess.run(line, cwd=folder, env=_environment(address), stdout=log, stderr=log, check=False)
    events = map(json.loads, (run / "journal.jsonl").read_text().splitlines())
    lanes = {(e["phase"], e["arm"], e["index"]) for e in events if e["event"] == "finished"}
    client = MlflowClient(address or f"sqlite:///{folder}/mlflow.db")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    # Lanes of other runs are called alike.
    verdicts = client.search_runs(experiments, f"tags.verdict != '' and tags.run_folder LIKE '%{run.name}'")
    names = {
        child.info.run_name
        for parent in verdicts
        for child in client.search_runs(
            experiments, f"tags.mlflow.parentRunId = '{parent.info.run_id}'", max_results=5000
        )
    }
    return max(0, len(lanes) - len(names))


def _compare(folder: Path, before: dict[str, int], outcome: Outcome) -> dict[str, int]:
    """The files of the lanes by name, each with its inode, which is another one where it is written again."""
    now = {path.name: path.stat().st_ino for path in folder.glob("runs/lanes/*.json")}
    outcome.again += sum(now.get(name) != inode for name, inode in before.items())
    return now


def _kill(driver: int, kind: str, server: TrackingServer | None, rng: random.Random) -> bool:
    """Kill one process of a kind; return whether there was one."""
    if kind == MLFLOW and server:
        server.send(signal.SIGKILL)
        return True
    if kind == TERMINATED:
        os.kill(driver, signal.SIGTERM)
        return True
    found = [driver] if kind == DRIVER else list(_of_kind(driver, kind))
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


def _environment(address: str) -> dict[str, str]:
    root = str(Path(__file__).parent.parent)
    store = {"MLFLOW_TRACKING_URI": address} if address else {}
    kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return {**kept, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", **store}


def _start(folder: Path, command: list[str], address: str = "") -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    # A roadmap goes on by itself.
    resume = ["--resume"] if command[0] == _SWEEP and _begun(folder, command[1]) else []
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *command, *resume],
            cwd=folder,
            env=_environment(address),
            stdout=log,
            stderr=log,
        )


def _log(folder: Path) -> str:
    return (folder / "log.txt").read_text(errors="replace")


def _begun(folder: Path, study: str) -> bool:
    journals = folder.glob(f"runs/{study}-*/journal.jsonl")
    return any('"event": "planned"' in journal.read_text(errors="replace") for journal in journals)


def numbers(folder: Path) -> tuple[str, list[float]]:
    """The verdicts in a folder, each with its study's name, and all estimates of criteria and ablations."""
    records: list[dict[str, Any]] = [json.loads(path.read_text()) for path in _judged(folder)]
    told = [f"{record['study']} {record['verdict']}" for record in records]
    estimates = [
        of["estimate"]
        for record in records
        for of in (*(c["estimate"] for c in record["criteria"]), *(a["effect"] for a in record["ablations"]))
        if of
    ]
    return ", ".join(told), estimates


def _judged(folder: Path) -> list[Path]:
    """The verdicts of the studies in a folder, but for those on control worlds."""
    paths = sorted(folder.glob("runs/*/verdict.json"))
    return [path for path in paths if not path.parent.name.startswith("assay")]


def apart(calm: Path, other: Path) -> float:
    """The largest difference of any estimate."""
    before, after = numbers(calm)[1], numbers(other)[1]
    return max((abs(a - b) for a, b in zip(before, after, strict=True)), default=0.0)


if __name__ == "__main__":
    main()
