"""What the cluster lab needs of the computer that it runs on."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

PROGRAMS = {  # by the package of Debian and Ubuntu that has them
    "openssh-server": "/usr/sbin/sshd",
    "openssh-client": "ssh",
    "rsync": "rsync",
    "sudo": "sudo",
    "iproute2": "ip",
    "util-linux": "nsenter",
    "tmux": "tmux",
    "gcc": "gcc",
    "git": "git",
    "make": "make",
}
MEMORY = 10e9  # bytes that have to be free: machines keep what they change of their disks in memory


def missing(environment: Path) -> str:
    """Why the lab cannot run here, in one sentence; empty where it can.

    Args:
        environment: a virtual environment with Ray, boto3 and moto, beside the wheel of uv.
    """
    if os.geteuid() != 0:
        return "it makes namespaces and mounts disks, which takes root"
    if lacking := [package for package, program in PROGRAMS.items() if shutil.which(program) is None]:
        return f"packages of the system are missing: apt-get install {' '.join(lacking)}"
    if _fails("/usr/bin/python3 -m pip --version"):
        return "a package of the system is missing: apt-get install python3-pip"
    if not (environment / "bin" / "moto_server").exists() or not list(environment.glob("wheels/uv-*.whl")):
        return f"moto and the wheel of uv are not installed in {environment}; `make cluster-test` does it"
    layers = "mount -t tmpfs t /mnt && cd /mnt && mkdir a b c d && mount -t overlay o -o"
    if _fails(f"unshare --mount --net --pid --fork sh -c '{layers} lowerdir=a,upperdir=b,workdir=c d'"):
        return "namespaces or overlays of file systems are not to be had here (inside a container, perhaps)"
    if (free := os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") + _cached()) < MEMORY:
        return f"{free / 1e9:.0f} GB of memory are free, and it takes {MEMORY / 1e9:.0f} GB"
    return ""


def _fails(command: str) -> bool:
    return subprocess.run(command, shell=True, capture_output=True).returncode != 0


def _cached() -> int:
    """Bytes that the system gives back where they are needed."""
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return 1024 * int(lines["Cached"].split()[0])
