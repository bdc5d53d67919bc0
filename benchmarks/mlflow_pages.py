"""MLflow's own pages over a store of thousands of lanes:
``python -m benchmarks.mlflow_pages [LANES] [FOLDER]``.

A sweep of so many lanes (2,000 by default) is recorded as any other, from its journal; then MLflow's server
is started on that store, and a browser opens the list of runs, the page of the sweep, its report among the
artifacts, and the comparison of some lanes. What is timed is the opening: from the address to what a person
came for, in brackets the processor time of server and browser, which other work on the machine moves less. An
empty cache is met by the first opening alone. Nothing is fetched from a network.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.timing import machine, processor_time
from benchmarks.tracking_server import TrackingServer
from orchestrator.execution.run_mirror import DESCRIBED, record
from orchestrator.judging.verdict import judge
from orchestrator.records.journal import Journal
from orchestrator.records.lane_store import LANES_FOLDER, LaneStore
from orchestrator.reporting.study_page import write_report
from tests.orchestrator.listening.browser import Browser, browser
from tests.orchestrator.synthetic_evidence import STUDY, evidence

_LANES, _ARMS, _KEPT = 2_000, ("mdn", "vmf"), 50  # lanes; arms; different results, which lanes take turns at
_COMPARED = 10  # lanes
_LONGEST = 120.0  # seconds for which a page is waited for
_REPEATS = 3
_EXPLORED = (
    "cos",
    "log_magnitude",
    "log_magnitude_ratio",
    "log_magnitude_squared",
    "log_magnitude_squared_error",
    "nll",
    "one_step_cosine",
    "state_error",
)
_UNLIMITED = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}


def main() -> None:
    """Print what recording takes, and how long each page takes to open."""
    lanes = int(sys.argv[1]) if len(sys.argv) > 1 else _LANES
    print(machine(), flush=True)
    with _working_folder(*sys.argv[2:3]) as place, chdir(place):
        run = Path("runs") / "sweep"
        if not run.exists():
            _write_run(run, lanes)
        started, before = time.monotonic(), processor_time()
        record(run)
        wall, each = time.monotonic() - started, (processor_time() - before) / lanes
        size = Path("mlflow.db").stat().st_size / 1e6
        print(
            f"{lanes:,} lanes recorded in {wall:.0f} s ({1000 * each:.0f} ms of the processor each), but for "
            f"those that were there; the database has {size:.0f} MB",
            flush=True,
        )
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
            TrackingServer(Path()) as server,
            browser(Path(profile)) as tab,
        ):
            tab.call("Network.emulateNetworkConditions", offline=False, **_UNLIMITED)
            for name, page, shown in _pages(server.address):
                costs = [_opened(tab, page, shown) for _ in range(_REPEATS)]
                told = ", ".join(f"{wall:.1f} s ({processor:.1f} s)" for wall, processor in costs)
                print(f"{name}: {told}", flush=True)


@contextmanager
def _working_folder(kept: str | None = None) -> Iterator[Path]:
    """The folder of the store, which is kept where it is named: a store that was begun there is completed."""
    if kept is None:
        with tempfile.TemporaryDirectory() as place:
            yield Path(place)
    else:
        Path(kept).mkdir(parents=True, exist_ok=True)
        yield Path(kept)


def _write_run(run: Path, lanes: int) -> None:
    """The run folder of a sweep of so many lanes, judged."""
    made = evidence(exhibits=4)
    journal, store = Journal(run), LaneStore(run.parent / LANES_FOLDER)
    journal.append("opened")
    described = {
        "name": STUDY.name,
        "tags": {"data_hash": made.data["hash"]},
        "parameters": {"trials": lanes // 2},
    }
    journal.append(DESCRIBED, **described, datasets=[made.data])
    replicates = [replicate for arm in made.arms.values() for replicate in arm.replicates]
    for number in range(_KEPT):
        replicate = replicates[number % len(replicates)]
        scores = {
            **replicate.scores,
            **{part: _explored(replicate.scores[part]) for part in ("sums", "counts")},
        }
        result = {"history": replicate.history, "scores": scores, "status": "finished"}
        store.keep(f"result{number}", result)
    lines = []
    for index in range(lanes):
        arm = _ARMS[index % 2]
        config = made.arms[arm].config | {"seed": index}
        lines.append(
            {
                "event": "finished",
                "time": time.time(),
                "key": f"result{index % _KEPT}",
                "phase": "explore",
                "arm": arm,
                "index": index // 2,
                "config": {**config.to_json(), "surrogate": "real"},
                "status": "finished",
                "objective": 0.5 + index / lanes / 10,
                "seconds": 6.5,
                "reused": False,
            }
        )
    with journal.path.open("a") as file:  # not one by one: each would be forced to disk
        file.writelines(json.dumps(line) + "\n" for line in lines)
    write_report(run, STUDY, made, judge(STUDY, made))
    journal.append("judged", verdict="GO")


def _explored(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What of an evaluation an exploration measures."""
    return {name: figures[name] for name in _EXPLORED}


def _pages(address: str) -> list[tuple[str, str, str]]:
    """Pages by name: their address, and a text that stands on each as soon as it can be used."""
    from mlflow import MlflowClient

    client = MlflowClient("sqlite:///mlflow.db")
    (parent,) = client.search_runs(["1"], "tags.verdict = 'GO'")
    lanes = client.search_runs(["1"], "tags.phase = 'explore'", max_results=_COMPARED)
    run, view = f"{address}/#/experiments/1/runs/{parent.info.run_id}", "workflowType=machine_learning"
    compared = json.dumps([lane.info.run_id for lane in lanes])
    compare = f'{address}/#/compare-runs?runs={compared}&experiments=["1"]'
    return [
        ("list of runs", f"{address}/#/experiments/1/runs?{view}", parent.info.run_name),
        ("page of the sweep", f"{run}?{view}", "The vmf arm's cos@16"),
        ("its artifacts", f"{run}/artifacts/report.html?{view}", "report.html"),
        (f"{_COMPARED} lanes compared", compare, "kappa_prior"),
    ]


def _opened(tab: Browser, page: str, shown: str) -> tuple[float, float]:
    """Seconds from an empty tab until a text stands on the page, and those of the processor."""
    tab.call("Page.navigate", url="about:blank")
    started, before = time.monotonic(), processor_time()
    tab.call("Page.navigate", url=page)
    tab.until(f"(document.body?.innerText ?? '').includes({json.dumps(shown)})", _LONGEST)
    return time.monotonic() - started, processor_time() - before


if __name__ == "__main__":
    main()
