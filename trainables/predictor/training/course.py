"""How a lane comes along in a phase: when it cools, when it has ended, which of its states is kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from trainables.predictor.config import Structure
from trainables.predictor.training.schedule import ROLLOUT, cooling_epochs, phase_epochs, ramp_epochs


@dataclass
class Course:
    """A lane's way through one phase; epochs are those of the phase, from 0.

    Attributes:
        cooling_from: after how many epochs, perhaps within one, its learning rate starts to fall; None while
            that is open.
        best_loss: the lowest loss on validation speakers, of a rollout phase minus the best objective.
        best_epoch: the epoch after which it was seen; -1 before the first.
        stale: epochs that have passed since without a lower one.
        out_of_patience: whether that is why it cooled, and not that the phase may last no longer.
    """

    cooling_from: float | None = None
    best_loss: float = float("inf")
    best_epoch: int = -1
    stale: int = 0
    out_of_patience: bool = False

    def begin_epoch(self, structure: Structure, phase: str, epoch: int) -> None:
        """Start to cool, in the course of this epoch, where the phase may not last much longer."""
        last = phase_epochs(structure, phase) - cooling_epochs(structure, phase)
        if self.cooling_from is None and epoch + 1 > last:
            self.cooling_from = last

    def look(self, structure: Structure, phase: str, epoch: int, loss: float) -> bool:
        """Note the loss after an epoch; start to cool where patience is at an end.

        Returns:
            Whether the loss is the lowest so far, so that the state is worth keeping.
        """
        better = loss < self.best_loss
        if better:
            self.best_loss, self.best_epoch, self.stale = loss, epoch, 0
        elif phase != ROLLOUT or epoch >= ramp_epochs(structure):  # while the loss itself changes, wait
            self.stale += 1
        if structure.patience and self.cooling_from is None and self.stale >= structure.patience:
            self.cooling_from, self.out_of_patience = epoch + 1, True
        return better

    def has_cooled(self, structure: Structure, phase: str, epochs: int) -> bool:
        """Whether nothing is left to train after so many epochs of the phase."""
        cooled = self.cooling_from is not None and epochs >= self.cooling_from + cooling_epochs(
            structure, phase
        )
        return cooled or epochs >= phase_epochs(structure, phase)

    def to_json(self) -> dict[str, Any]:
        """The course as plain values."""
        return asdict(self)
