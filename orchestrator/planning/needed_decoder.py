"""What latents without a way back to audio cannot be asked."""

from __future__ import annotations

from orchestrator.datasets.collection import LatentCollection
from search_spaces.study import Study
from trainables.errors import InputError
from trainables.latents.storage.dataset import LatentDataset


def lacks_decoder(study: Study, dataset: LatentDataset) -> str:
    """What a study waits for whose primary criterion is heard, on latents that cannot be; empty elsewhere."""
    if study.primary.needs_decoder and dataset.meta.codec is None:
        return f"latents that can be decoded to audio, unlike {dataset.meta.representation}"
    return ""


def require_decoder(study: Study, latents: LatentCollection) -> None:
    """Refuse latents that cannot be decoded for a study whose primary criterion is heard.

    Raises:
        InputError: there are such latents.
    """
    for dataset in latents:
        if lacks_decoder(study, dataset):
            raise InputError(
                f"{dataset.root} holds {dataset.meta.representation}, which cannot be decoded to audio, and "
                f"the study {study.name!r} listens to what it makes; give --latents of a codec"
            )
