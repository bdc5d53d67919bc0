"""How every benchmark times: alternatives interleaved on one machine, compared by their medians."""

from __future__ import annotations

import datetime
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch

_MATTERING = ("torch", "ray", "pyarrow", "numpy", "scipy")


def interleaved(functions: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each function, ``repeats`` times in turn, so that a drift of the machine hits all alike.

    Work queued on a GPU counts: the device is idle before and after every call. Warming up is the caller's.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            _wait()
            started = time.perf_counter()
            function()
            _wait()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def machine() -> str:
    """Date, device, processor, threads and versions, in one line."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    versions = ", ".join(f"{name} {version(name)}" for name in _MATTERING if find_spec(name))
    threads = f"{os.cpu_count()} cores, {torch.get_num_threads()} torch threads"
    return f"{datetime.date.today()}; {device}; {_processor()}; {threads}; {versions}"


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def _wait() -> None:
    if torch.cuda.is_initialized():  # a benchmark that never touched the GPU need not wait for it
        torch.cuda.synchronize()


def processor_time() -> float:
    """Seconds of this process and of all below it, those that have ended included."""
    ticks, below = {}, {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        ticks[int(file.parent.name)] = sum(map(int, fields[11:15]))
        below.setdefault(int(fields[1]), []).append(int(file.parent.name))
    found = [os.getpid()]
    for process in found:  # which grows
        found += below.get(process, [])
    return sum(ticks.get(process, 0) for process in found) / os.sysconf("SC_CLK_TCK")
