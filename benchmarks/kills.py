"""Kill -9 the driver of a sweep at random moments, resume it each time, and count what was trained twice.

    python -m benchmarks.kills --kills 10

An undisturbed sweep runs beside it in a folder of its own. What must come out: no finished lane is started
again, and verdict and estimates are those of the undisturbed sweep.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SWEEP = ("vmf_vs_mdn", "--smoke")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        calm, disturbed = Path(folder) / "calm", Path(folder) / "disturbed"
        seconds = _undisturbed(calm)
        moments = _disturb(disturbed, asked.kills, seconds, random.Random(asked.seed))
        print(f"undisturbed: {seconds:.0f} s; killed after {', '.join(f'{m:.1f}' for m in moments)} s")
        repeated = repeats(_events(disturbed))
        before, after = _numbers(calm), _numbers(disturbed)
        print(f"finished lanes started again: {len(repeated)}")
        print(f"verdict undisturbed {before['verdict']}, disturbed {after['verdict']}")
        apart = max(abs(a - b) for a, b in zip(before["estimates"], after["estimates"], strict=True))
        print(f"largest difference of any estimate: {apart:.2g}")
        sys.exit(bool(repeated) or before["verdict"] != after["verdict"])


def repeats(events: Sequence[dict[str, Any]]) -> list[str]:
    """Keys of lanes that were started after they had finished."""
    finished: set[str] = set()
    again = []
    for event in events:
        if event["event"] == "finished":
            finished.add(event["key"])
        elif event["event"] == "started":
            again += [key for key in event["keys"] if key in finished]
    return again


def _undisturbed(folder: Path) -> float:
    started = time.monotonic()
    process = _start(folder, resume=False)
    if process.wait():
        raise SystemExit(f"the undisturbed sweep ended with exit code {process.returncode}")
    return time.monotonic() - started


def _disturb(folder: Path, kills: int, seconds: float, rng: random.Random) -> list[float]:
    """Kill so often, each time somewhere in what an undisturbed sweep takes, then let it end."""
    moments: list[float] = []
    while len(moments) < kills:
        process = _start(folder, resume=_begun(folder))
        moment = rng.uniform(1.0, 0.7 * seconds)
        try:
            if process.wait(timeout=moment):
                raise SystemExit(f"a resumed sweep ended with exit code {process.returncode}")
            break  # it came to its end before its time
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            moments.append(moment)
    else:
        process = _start(folder, resume=_begun(folder))
        if process.wait():
            raise SystemExit(f"the last sweep ended with exit code {process.returncode}")
    return moments


def _start(folder: Path, *, resume: bool) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    root = str(Path(__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "orchestrator.sweep", *SWEEP, *(["--resume"] if resume else [])],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )


def _begun(folder: Path) -> bool:
    return any(e["event"] == "planned" for e in _events(folder))


def _events(folder: Path) -> list[dict[str, Any]]:
    events = []
    for path in sorted(folder.glob("runs/vmf_vs_mdn-*/journal.jsonl")):
        for line in path.read_text().splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                continue  # torn by a kill
    return events


def _numbers(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("runs/vmf_vs_mdn-*/verdict.json")
    record = json.loads(path.read_text())
    estimates = [c["estimate"]["estimate"] for c in record["criteria"] if c["estimate"]]
    estimates += [a["effect"]["estimate"] for a in record["ablations"] if a["effect"]]
    return {"verdict": record["verdict"], "estimates": estimates}


if __name__ == "__main__":
    main()
