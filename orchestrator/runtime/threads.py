"""How many cores one process computes on."""

from __future__ import annotations


def use_one_thread() -> None:
    """Let torch compute on one core: there is a process per core, and sums then come out alike everywhere."""
    import torch  # not at the top: commands that only refuse their arguments do without

    torch.set_num_threads(1)
