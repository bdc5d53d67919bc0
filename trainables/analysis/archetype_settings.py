"""What archetypes are told: how many, and after which reduction of dimensions."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.contract import OwnSettings, SharedSettings
from trainables.setting_checks import require

MOST_CLUSTERS = 4096


@dataclass(frozen=True)
class ArchetypeStructure(SharedSettings):
    """What the lanes of a pack share."""

    objective: str = "shared_tightness"
    clusters: int = 64  # K
    pca_variance: float = 0.9  # the share of directions' second moment that the basis keeps
    rounds: int = 20  # of k-means
    regression_steps: int = 1000  # optimiser steps of the regression of membership on the past

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self, "clusters", 2 <= self.clusters <= MOST_CLUSTERS, f"from 2 to {MOST_CLUSTERS}")
        require(self, "pca_variance", 0 < self.pca_variance <= 1, "above 0 and at most 1")
        for name in ("rounds", "regression_steps"):
            require(self, name, getattr(self, name) >= 1, "at least 1")


@dataclass(frozen=True)
class ArchetypeLane(OwnSettings):
    """What one lane has of its own; its seed begins k-means and halves the speakers."""
