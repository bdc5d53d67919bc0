"""The default study on control worlds of known answer, with several seeds: every verdict must be right.

    python -m benchmarks.worlds --seeds 5

Each run is a whole sweep at its full budget: search, seal, confirmation on fresh seeds, verdict.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ANSWERS = {
    "directional": ("GO",),
    "white": ("NO-GO",),
    "loud_white": ("NO-GO",),
    "gaussian": ("NO-GO", "INCONCLUSIVE"),
}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--worlds", nargs="+", default=list(ANSWERS), choices=list(ANSWERS))
    parser.add_argument("--out", type=Path, help="where run folders go; by default they are thrown away")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = asked.out or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        print("| world | seed | verdict | cos@16 of vmf | cos@16, vmf - mdn | seconds |", flush=True)
        print("| --- | --- | --- | --- | --- | --- |", flush=True)
        wrong = 0
        for seed in range(asked.seeds):
            for world in asked.worlds:
                record, seconds = _run(home.resolve(), world, seed)
                wrong += record["verdict"] not in ANSWERS[world] or (
                    world == "gaussian" and _preferred(record)
                )
                print(_row(world, seed, record, seconds), flush=True)
        print(f"\nwrong answers: {wrong} of {asked.seeds * len(asked.worlds)}")
        sys.exit(bool(wrong))


def _run(home: Path, world: str, seed: int) -> tuple[dict[str, Any], float]:
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "OMP_NUM_THREADS": "1"}
    words = ["vmf_vs_mdn", "--latents", f"control:{world}", "--seed", str(seed), "--no-ablation"]
    before = set(home.glob("runs/vmf_vs_mdn-*"))
    subprocess.run(
        [sys.executable, "-m", "orchestrator.sweep", *words],
        cwd=home,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (run,) = set(home.glob("runs/vmf_vs_mdn-*")) - before
    return json.loads((run / "verdict.json").read_text()), time.monotonic() - started


def _preferred(record: dict[str, Any]) -> bool:
    """Whether vmf was found to keep its direction better than the mixture."""
    (result,) = (c for c in record["criteria"] if (c["versus"], c["metric"]) == ("mdn", "cos@16"))
    return result["outcome"] == "met"


def _row(world: str, seed: int, record: dict[str, Any], seconds: float) -> str:
    found = {(c["metric"], c["versus"]): c["estimate"] for c in record["criteria"]}
    cells = [_spelled(found["cos@16", None]), _spelled(found["cos@16", "mdn"])]
    return f"| {world} | {seed} | {record['verdict']} | {' | '.join(cells)} | {seconds:.0f} |"


def _spelled(estimate: dict[str, float]) -> str:
    return f"{estimate['estimate']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


if __name__ == "__main__":
    main()
