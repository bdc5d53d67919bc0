"""The lab from outside: start it, give commands on the laptop and in its machines, lose a machine, end it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
ENDPOINT = "http://172.31.255.254:5000"  # as in cloud.py, which runs in another environment
_EVERYTHING = ("-m", "-n", "-p", "-u", "-i", "-r", "-w")  # all namespaces, root and folder of a process


class Lab:
    """A cloud of its own with a laptop in front of it; nothing in it reaches any network outside.

    Args:
        environment: a virtual environment with Ray, boto3 and moto, beside the wheel of uv.
        state: an empty folder for all that it leaves, with a short name: sockets lie in it.
    """

    def __init__(self, environment: Path, state: Path) -> None:
        self.environment, self.state, self.laptop = environment, state, state / "laptop"
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> Lab:
        for folder in ("laptop/tmp", "laptop/.ssh", "disks", "bytecode"):
            (self.state / folder).mkdir(parents=True)
        (self.state / "bytecode").chmod(0o777)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.state / "host_key"], check=True
        )
        settings = {
            "LAB": HERE,
            "ENDPOINT": ENDPOINT,
            "WHEELS": self.environment / "wheels",
            "UV_CACHE": self._output([self.environment / "bin" / "uv", "cache", "dir"]),
            "PYTHON_HOME": sys.base_prefix,
            "PYTHON_VERSION": ".".join(map(str, sys.version_info[:3])),
        }
        lines = [f"export {name}={shlex.quote(str(value))}" for name, value in settings.items()]
        (self.state / "settings").write_text("\n".join(lines) + "\n")
        apart = "unshare --mount --net --pid --fork --mount-proc --uts --ipc --kill-child=SIGKILL"
        cloud = [*apart.split(), self.environment / "bin" / "python", HERE / "cloud.py", self.state]
        with (self.state / "cloud.log").open("w") as log:
            self._process = subprocess.Popen(cloud, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        self.wait(lambda: (self.state / "ready").exists(), 120, "the cloud does not start: see cloud.log")
        pid = self._process.pid
        self._first = Path(f"/proc/{pid}/task/{pid}/children").read_text().strip()
        return self

    def __exit__(self, *ignored: object) -> None:
        """End its first process, which takes all others and their disks along."""
        if self._process:
            self._process.kill()
            self._process.wait()
        for folder in ("disks", "bytecode"):  # what is left tells what happened
            shutil.rmtree(self.state / folder, ignore_errors=True)

    def on_laptop(self, *command: str | Path, seconds: float, check: bool = True) -> str:
        """What a command on the laptop says, from the root of the repository; both of its streams."""
        setting = {
            "HOME": self.laptop,
            "TMPDIR": self.laptop / "tmp",
            "PATH": f"{self.environment}/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "USER": "root",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "RAY_USAGE_STATS_ENABLED": "0",
            "AWS_ENDPOINT_URL": ENDPOINT,
            "AWS_ACCESS_KEY_ID": "lab",
            "AWS_SECRET_ACCESS_KEY": "lab",
        }
        environment = [f"{name}={value}" for name, value in setting.items()]
        return self._run([*self._inside(), "env", "-i", *environment, *command], seconds, check)

    def on_machine(self, name: str, command: str, seconds: float = 60) -> str:
        """What a shell's command says in a machine, as root and past its SSH server."""
        pid = json.loads((self.state / f"{name}.json").read_text())["pid"]
        enter = ["nsenter", "-t", pid, *_EVERYTHING]
        return self._run(
            [*self._inside(), *enter, "env", "-i", "PATH=/usr/bin:/bin", "sh", "-c", command], seconds
        )

    def machines(self) -> dict[str, dict]:
        """The machines that are running, by their names; the first that ever was is the head."""
        found = {path.stem: json.loads(path.read_text()) for path in self.state.glob("m*.json")}
        return dict(sorted(found.items(), key=lambda item: int(item[0][1:])))

    def workers(self) -> list[str]:
        """The names of the machines that are no head."""
        return list(self.machines())[1:]

    def lose(self, name: str) -> None:
        """Take a machine away, as EC2 does with a spot machine."""
        instance = self.machines()[name]["id"]
        self.aws(f"client.terminate_instances(InstanceIds=[{instance!r}])")

    def aws(self, expression: str) -> str:
        """What an expression in ``client``, boto3's for EC2, is worth."""
        code = f"import boto3; client = boto3.client('ec2', region_name='us-east-1'); print({expression})"
        return self.on_laptop("python", "-c", code, seconds=120)

    def wait(self, come: Callable[[], bool], seconds: float, otherwise: str) -> None:
        """Wait until something has come about.

        Raises:
            TimeoutError: it has not in so many seconds, or the lab has ended.
        """
        until = time.monotonic() + seconds
        while not come():
            if time.monotonic() > until or (self._process and self._process.poll() is not None):
                raise TimeoutError(f"{otherwise} ({self.state})")
            time.sleep(0.5)

    def _inside(self) -> list[str]:
        return ["nsenter", "-t", self._first, *_EVERYTHING]

    @staticmethod
    def _output(command: Sequence[str | Path]) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    @staticmethod
    def _run(command: Sequence[str | Path], seconds: float, check: bool = True) -> str:
        done = subprocess.run(
            command,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if check and done.returncode:
            raise AssertionError(
                f"{' '.join(map(str, command[-4:]))} ended with {done.returncode}:\n{done.stdout}"
            )
        return done.stdout


def smaller(written: Path, workers: int) -> str:
    """A cluster file whose machines are of a size and a number that a computer can hold; the rest is kept."""
    config = yaml.safe_load(written.read_text())
    config["max_workers"] = workers
    for name, kind in config["available_node_types"].items():
        if name != config["head_node_type"]:
            kind["max_workers"] = workers
            kind["resources"]["CPU"] = 2  # Ray starts so many processes at once
    return yaml.safe_dump(config, sort_keys=False)


def environment() -> Path:
    """Where `make cluster-test` installs what the lab needs."""
    return Path(os.environ.get("CLUSTER_LAB_VENV", ROOT / ".venv-lab"))
