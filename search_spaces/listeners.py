"""What people are asked to hear: one criterion, which several studies share."""

from __future__ import annotations

from search_spaces.study import PREFERENCE, Criterion, Role


def preferred_by_listeners(arm: str, versus: str, source: str) -> Criterion:
    """Listeners prefer what an arm makes to what its rival makes, in more than half of the pairs they hear.

    Without answers it is not asked yet, and stands in nobody's way; with them it can block a GO, and never
    makes one.
    """
    return Criterion(
        name=f"listeners prefer {arm} to {versus}",
        metric=PREFERENCE,
        arm=arm,
        versus=versus,
        success=0.5,
        failure=0.5,
        role=Role.REQUIRED,
        needs_decoder=True,
        source=source,
    )
