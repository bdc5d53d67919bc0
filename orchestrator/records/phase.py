"""The parts of a sweep in which lanes are trained."""

from __future__ import annotations

from enum import StrEnum

from trainables.latents.storage.dataset import Split


class Phase(StrEnum):
    """The parts of a sweep in which packs are trained."""

    EXPLORE = "explore"  # search for each arm's best settings
    REPEAT = "repeat"  # lanes of the search on a second seed, beside the first ones and in the same packs
    CONFIRM = "confirm"  # train the winners again, on fresh seeds
    ABLATE = "ablate"  # train the winner without one component at a time

    @property
    def judged_on(self) -> Split:
        """The speakers whose frames judge the lanes; exploration never sees the test speakers."""
        return Split.VALIDATION if self in (Phase.EXPLORE, Phase.REPEAT) else Split.TEST
