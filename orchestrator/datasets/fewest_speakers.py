"""How many speakers each split of a dataset needs before a sweep can answer for speakers it has not heard."""

from __future__ import annotations

from trainables.latents.storage.dataset import Split

FEWEST_SPEAKERS = {
    Split.TEST: 3,  # below it an interval over speakers says nothing
    Split.TRAIN: 1,
    Split.VALIDATION: 1,
}
