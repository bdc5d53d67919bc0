"""The number of cores that one process computes on."""

from __future__ import annotations


def use_one_thread() -> None:
    """Let torch compute on one core: every core has a process of its own already, and sums come out alike."""
    import torch  # not at the top: commands that only refuse their arguments do without

    torch.set_num_threads(1)
