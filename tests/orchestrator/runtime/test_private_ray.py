"""A private Ray hears nobody but this machine, and nobody on it who has not its token."""

import contextlib
import http.client
import ipaddress
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import ray  # brings psutil

from orchestrator.runtime import private_ray, ray_cluster, ray_internals
from tests.orchestrator.shared_ray import SHORT_WAITS, admission

psutil = pytest.importorskip("psutil")

# Ray lets the processes that it starts be collected while they end.
pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ATTACH = """
import sys
import ray
ray.init(address=sys.argv[1], log_to_driver=False)
print("a task ran:", ray.get(ray.remote(lambda: 6 * 7).remote()))
"""
FEW_RETRIES = {"RAY_NUM_REDIS_GET_RETRIES": "2"}


@dataclass(frozen=True)
class Private:
    """A private Ray that this process has started, with its dashboard."""

    address: str
    token: str = field(repr=False)
    dashboard: str
    session: Path  # with its logs

    def processes(self) -> list["psutil.Process"]:
        return psutil.Process().children(recursive=True)

    def listening(self) -> list[tuple[str, int]]:
        """Address and port of each socket of its processes that waits for others."""
        sockets = [found for process in self.processes() for found in process.net_connections("inet")]
        return [tuple(one.laddr) for one in sockets if one.status == psutil.CONN_LISTEN]


@pytest.fixture(scope="module")
def private() -> Iterator[Private]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # by a user who has a cluster in mind
        patch.setenv("RAY_AUTH_TOKEN", "of-a-cluster")
        with ray_cluster.connected(None, state_api=True):
            node = ray._private.worker._global_node
            token = os.environ["RAY_AUTH_TOKEN"]
            yield Private(node.gcs_address, token, node.webui_url, Path(node.get_session_dir_path()))
        assert os.environ["RAY_AUTH_MODE"] == "disabled" and os.environ["RAY_AUTH_TOKEN"] == "of-a-cluster"


def stranger(address: str, **environment: str) -> "subprocess.Popen[str]":
    """Another process, which wants a task run at ``address``, and has of Ray's settings only those named."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.Popen(
        [sys.executable, "-c", ATTACH, address],
        env=plain | FEW_RETRIES | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def outcome(process: "subprocess.Popen[str]") -> str:
    """What a process wrote; "refused" in it where it was not let in."""
    with process:
        words = process.communicate(timeout=100)[0]
    return words if process.returncode == 0 else f"refused: {words}"


def is_loopback(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def other_addresses() -> set[str]:
    """The addresses of this machine at which others could reach it; none where it has loopback alone."""
    here = [
        one.address for kind in psutil.net_if_addrs().values() for one in kind if one.family == socket.AF_INET
    ]
    return {address for address in here if not is_loopback(address)}


def test_an_address_is_loopback_also_in_the_dress_of_the_other_kind() -> None:
    assert is_loopback("127.0.0.1") and is_loopback("::1") and is_loopback("::ffff:127.0.0.1")
    assert not any(map(is_loopback, ("0.0.0.0", "::", "::ffff:192.0.2.2", "192.0.2.2")))


@pytest.mark.timeout(300)
def test_everything_listens_on_loopback(private: Private) -> None:
    assert ray.get(ray.remote(lambda: os.getpid()).remote()) in {
        process.pid for process in private.processes()
    }
    listening = private.listening()
    ports = {port for _, port in listening}
    assert len(ports) > 8
    assert {int(private.address.split(":")[1]), int(private.dashboard.split(":")[1])} <= ports
    assert [place for place in listening if not is_loopback(place[0])] == []
    for address in other_addresses():
        for port in ports:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, port), timeout=5)


@pytest.mark.timeout(300)
def test_who_has_the_token_is_let_in_and_nobody_else(private: Private) -> None:
    port = private.address.split(":")[1]
    right = stranger(private.address, **admission(private.token))
    wrong = {
        "none": stranger(private.address, **ray_internals.LOOPBACK),
        "another": stranger(private.address, **admission("0" * len(private.token))),
        "mode alone": stranger(private.address, **ray_internals.LOOPBACK, RAY_AUTH_MODE="token"),
    }
    outside = [
        stranger(f"{address}:{port}", RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=private.token, **SHORT_WAITS)
        for address in other_addresses()
    ]
    assert "a task ran: 42" in outcome(right)
    for name, process in wrong.items():
        words = outcome(process)
        assert words.startswith("refused") and "AuthenticationError" in words, name
        assert "a task ran" not in words
    for process in outside:
        words = outcome(process)
        assert words.startswith("refused") and "a task ran" not in words


def test_the_dashboard_asks_for_the_token(private: Private) -> None:
    page = f"http://{private.dashboard}/api/v0/nodes"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(page, timeout=30)
    with refused.value as answer:
        assert answer.code == 401
    asked = urllib.request.Request(page, headers={"Authorization": f"Bearer {private.token}"})
    with urllib.request.urlopen(asked, timeout=30) as answer:
        assert answer.status == 200


def test_whatever_speaks_http_asks_for_the_token_or_tells_metrics(private: Private) -> None:
    answers = {}
    for _, port in private.listening():
        with contextlib.suppress(http.client.HTTPException, OSError):  # gRPC, mostly
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
                connection.request("GET", "/get_or_create_runtime_env")
                with connection.getresponse() as answer:
                    metrics = (answer.getheader("Content-Type") or "").startswith("text/plain; version=")
                    answers[port] = "metrics" if answer.status == 200 and metrics else answer.status
    assert answers[int(private.dashboard.split(":")[1])] == 401
    assert set(answers.values()) == {401, "metrics"}, answers
    assert (
        list(answers.values()).count(401) >= 3
    )  # the dashboard, and the agents of a machine and its set-ups


def test_the_token_is_in_no_log_and_on_no_command_line(private: Private, capfd) -> None:
    assert len(private.token) == 64 and private.token != "of-a-cluster"
    written = {path: path.read_bytes() for path in private.session.rglob("*") if path.is_file()}
    assert any(private.session.name.encode() in text for text in written.values())
    assert [path for path, text in written.items() if private.token.encode() in text] == []
    lines = [" ".join(process.cmdline()) for process in private.processes()]
    assert any(private.session.name in line for line in lines)
    assert not any(private.token in line for line in lines)
    assert private.token not in "".join(capfd.readouterr())


def test_each_private_environment_has_a_token_of_its_own(monkeypatch) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    tokens = set()
    for _ in range(2):
        with private_ray.private_environment():
            tokens.add(os.environ["RAY_AUTH_TOKEN"])
        assert "RAY_AUTH_TOKEN" not in os.environ
    assert len(tokens) == 2
