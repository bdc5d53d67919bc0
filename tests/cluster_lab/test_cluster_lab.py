"""cluster.yaml brought up, used, robbed of a machine and brought down, against a cloud on this computer.

Opt-in, `make cluster-test`: it takes root, some packages and minutes. What it does not have of the real
thing: systemd, CUDA, permissions, firewalls and downloads.
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster_lab.lab import ROOT, Lab, environment, smaller
from tests.cluster_lab.requirements import missing

pytestmark = [pytest.mark.soak, pytest.mark.cluster, pytest.mark.timeout(3600)]
WORKERS = 2
_MINUTES = 60.0
# What Ray and Python print where something went wrong that somebody has to read.
_ERROR_BLOCK = re.compile(r"^.*(Traceback \(most recent call last\)|RayTaskError|ERROR).*$", re.MULTILINE)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    if reason := missing(environment()):
        pytest.skip(f"the cluster lab cannot run here: {reason}")
    with Lab(environment(), Path(tempfile.mkdtemp(prefix="lab-"))) as started:
        yield started


class Cluster:
    """The cluster of ``cluster.yaml``, as one uses it by docs/cluster.md."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.file = lab, lab.state / "cluster.yaml"
        self.file.write_text(smaller(ROOT / "cluster.yaml", WORKERS))

    def up(self) -> str:
        self.lab.on_laptop("sh", "-c", "umask 077 && ray get-auth-token --generate", seconds=120)
        return self.lab.on_laptop("ray", "up", "-y", self.file, seconds=20 * _MINUTES)

    def sweep(self, out: str) -> str:
        """Run a sweep on the head and return what the terminal shows, to the exit code; it is kept, too."""
        command = (
            f"cd latent-verdict && python -m orchestrator.sweep vmf_vs_mdn --smoke --address auto --out {out}"
        )
        return self.lab.on_laptop(
            "ray", "exec", self.file, f"{command}; echo exit code $?", seconds=20 * _MINUTES
        )

    def fetch(self, out: str) -> Path:
        """The folder of a sweep's records, brought to the laptop."""
        target = self.lab.laptop / out
        source = f"~/latent-verdict/{out}/"
        self.lab.on_laptop("ray", "rsync-down", self.file, source, f"{target}/", seconds=5 * _MINUTES)
        (journal,) = target.glob("vmf_vs_mdn-*/journal.jsonl")
        return journal.parent

    def down(self) -> str:
        return self.lab.on_laptop("ray", "down", "-y", self.file, seconds=10 * _MINUTES)


def finished(run: Path) -> dict[str, tuple]:
    """Every finished lane's place and outcome, by its key."""
    events = map(json.loads, (run / "journal.jsonl").read_text().splitlines())
    lanes = [event for event in events if event["event"] == "finished"]
    places = ("phase", "arm", "index", "status", "objective", "config")
    assert len(lanes) == len({lane["key"] for lane in lanes}), "a lane was finished twice"
    return {lane["key"]: tuple(lane[name] for name in places) for lane in lanes}


def started(run: Path) -> set[str]:
    """The keys of all lanes that were ever begun."""
    events = map(json.loads, (run / "journal.jsonl").read_text().splitlines())
    return {key for event in events if event["event"] == "started" for key in event["keys"]}


def verdict(run: Path) -> dict:
    """What was judged, without when and how."""
    told = json.loads((run / "verdict.json").read_text())
    return {name: told[name] for name in ("verdict", "reason", "criteria", "criteria_hash")}


def lose_a_busy_machine(lab: Lab, lost: list[str]) -> None:
    """Wait until a worker trains a pack, and take that machine away."""

    def busy() -> bool:
        for name in lab.workers():
            with suppress(AssertionError, OSError):
                if lab.on_machine(name, "pgrep -f '^ray::ImplicitFunc' || true").strip():
                    lab.lose(name)
                    lost.append(name)
                    return True
        return False

    lab.wait(busy, 20 * _MINUTES, "no worker trained anything")


def test_a_lost_machine_changes_nothing_and_nothing_is_left_in_the_end(lab: Lab) -> None:
    cluster = Cluster(lab)
    cluster.up()
    undisturbed = cluster.sweep("quiet")
    assert "exit code 0" in undisturbed, undisturbed
    lost: list[str] = []
    accident = threading.Thread(target=lose_a_busy_machine, args=(lab, lost))
    accident.start()
    disturbed = cluster.sweep("disturbed")
    accident.join()
    assert "exit code 0" in disturbed, disturbed
    assert len(lost) == 1
    runs = [cluster.fetch(out) for out in ("quiet", "disturbed")]
    lanes = [finished(run) for run in runs]
    assert lanes[0] == lanes[1] and lanes[0]
    assert [started(run) for run in runs] == [set(each) for each in lanes], "a lane was lost"
    assert verdict(runs[0]) == verdict(runs[1])
    for said in (undisturbed, disturbed):
        assert not _ERROR_BLOCK.search(said), said
    cluster.down()
    lab.wait(lambda: not lab.machines(), 2 * _MINUTES, "a machine outlives the cluster")
    living = "[i['InstanceId'] for r in client.describe_instances()['Reservations'] for i in r['Instances']"
    assert lab.aws(f"{living} if i['State']['Name'] != 'terminated']").strip() == "[]"
    assert lab.aws("client.describe_volumes()['Volumes']").strip() == "[]", "a disk outlives its machine"
