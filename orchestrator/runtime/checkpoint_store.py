"""Tensors kept on the driver's machine, from whatever machine they come: no shared disk is needed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.runtime.atomic_files import write_atomically
from orchestrator.runtime.tensor_files import read_tensors


class CheckpointStore:
    """Dicts of tensors by name, each a file in the run folder of the driver's machine."""

    def __init__(self, folder: Path) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        # It keeps everything in files, so another one may take its place at any time.
        options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": 5, "scheduling_strategy": here}
        self._files = ray.remote(_Files).options(**options).remote(str(folder.resolve()))

    def save(self, name: str, state: dict[str, Any]) -> None:
        """Store a state in place of an earlier one of that name, and return once it lies on disk."""
        import torch  # not at the top: the actor below starts faster without it

        buffer = io.BytesIO()
        torch.save(state, buffer)
        ray.get(self._files.write.remote(name, buffer.getvalue()))

    def load(self, name: str) -> dict[str, Any] | None:
        """The state of that name, None where there is none.

        Raises:
            InputError: the file is damaged.
        """
        content = ray.get(self._files.read.remote(name))
        return None if content is None else read_tensors(content, name, "delete it, and resume the sweep")

    def drop(self, name: str) -> None:
        """Delete a state, if there is one of that name."""
        ray.get(self._files.remove.remote(name))


class _Files:
    """The actor on the driver's machine: files by name, without torch."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def write(self, name: str, content: bytes) -> None:
        write_atomically(self._folder / name, content)

    def read(self, name: str) -> bytes | None:
        target = self._folder / name
        return target.read_bytes() if target.exists() else None

    def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)
