"""The fewest speakers of each split with which a sweep can say something about speakers it has not seen."""

from __future__ import annotations

from trainables.latents.storage.dataset import Split

FEWEST_SPEAKERS = {
    Split.TEST: 3,  # with fewer, an interval over speakers says nothing
    Split.TRAIN: 1,
    Split.VALIDATION: 1,
}
