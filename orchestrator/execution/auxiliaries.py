"""What lanes and measures need fitted beside: made once, as Ray tasks, for all that ask for the same.

It is kept beside the runs, for every study on the same data and code.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
import torch

from orchestrator.datasets.ray_latents import RayLatents, feed
from orchestrator.records.code_versions import code_version
from orchestrator.records.study_code import code_of_lane
from orchestrator.runtime.atomic_files import write_atomically
from orchestrator.runtime.durations import duration
from orchestrator.runtime.tensor_files import read_tensors
from orchestrator.runtime.threads import use_one_thread
from trainables.contract import Auxiliary
from trainables.lane_config import LaneConfig, trainables
from trainables.latents.storage.dataset import Split

AUXILIARIES_FOLDER = "auxiliaries"  # beside the runs
_SECONDS_BETWEEN_LINES = 20.0  # that say how far it is
_SHOWN = (Split.TRAIN, Split.VALIDATION)


def share_auxiliaries(
    configs: Iterable[LaneConfig],
    latents: Mapping[str, RayLatents],
    folder: Path,
    say: Callable[[str], None],
) -> None:
    """Fit what some lanes need, unless it is known, and keep it in the latents of their representations.

    Args:
        configs: of the lanes.
        latents: by representation.
        folder: where what was fitted is kept.
        say: is told what is being fitted.

    Raises:
        InputError: a file of what was fitted before is damaged.
    """
    wanted: dict[tuple[str, str], dict[Auxiliary, None]] = {}
    for config in configs:
        ours = (config.kind,) if config.kind in trainables() else ()
        place = config.structure.representation, code_of_lane(config, code_version(*ours))
        for each in config.trainable.auxiliaries(config.structure, config.lane):
            if each not in latents[config.structure.representation].auxiliaries:
                wanted.setdefault(place, {})[each] = None
    for (representation, code), asked in wanted.items():
        own = latents[representation]
        states = fit_auxiliaries(list(asked), own, code, folder, say)
        own.auxiliaries.update(zip(asked, map(ray.put, states), strict=True))


def fit_auxiliaries(
    wanted: Sequence[Auxiliary],
    latents: RayLatents,
    code: str,
    folder: Path,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """What the fits of some auxiliaries leave, in their order; none is fitted twice for the same data
    and code.

    Args:
        wanted: the auxiliaries.
        latents: that they are fitted to, and stopped by.
        code: version of the code that fits them.
        folder: where what was fitted is kept.
        say: is told what is being fitted.

    Raises:
        InputError: a file of what was fitted before is damaged.
    """
    paths = {each: folder / _file_name(each, latents, code) for each in wanted}
    missing = [each for each, path in paths.items() if not path.exists()]
    for title, count in Counter(each.title for each in missing).items():
        say(f"fitting {title}" + (f" ({count})" if count > 1 else ""))
    if missing:
        for split in _SHOWN:
            latents.read(split)
        shown = latents.only(*_SHOWN)
        tasks = {ray.remote(_fit).remote(shown, each): each for each in missing}
        waiting = list(tasks)
        started = told = time.monotonic()
        while waiting:
            (ready,), waiting = ray.wait(waiting)
            write_atomically(paths[tasks[ready]], ray.get(ready))
            now, done = time.monotonic(), len(tasks) - len(waiting)
            if waiting and now - told > _SECONDS_BETWEEN_LINES:
                told = now
                left = duration((now - started) * len(waiting) / done)
                say(f"fitted {done} of {len(tasks)}, about {left} left")
    return [read_tensors(path, str(path), "delete it, and it is fitted again") for path in paths.values()]


def _file_name(wanted: Auxiliary, latents: RayLatents, code: str) -> str:
    settings = hashlib.sha256(repr(sorted(wanted.settings)).encode()).hexdigest()[:12]
    version = hashlib.sha256(code.encode()).hexdigest()[:16]
    return f"{wanted.kind}-{wanted.surrogate}-{latents.content_hash}-{version}-{settings}.pt"


def _fit(latents: RayLatents, wanted: Auxiliary) -> bytes:
    use_one_thread()
    train, validation = (feed(latents, split, (wanted.surrogate,), "cpu", torch.float32) for split in _SHOWN)
    buffer = io.BytesIO()
    torch.save(wanted.fit(wanted, train, validation), buffer)
    return buffer.getvalue()
