"""The latents that a sweep runs on: one representation, or several of the same audio."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from orchestrator.datasets.control_worlds import latents_folder
from orchestrator.datasets.fewest_speakers import FEWEST_SPEAKERS
from orchestrator.runtime.hashing import joint_hash
from trainables.errors import InputError
from trainables.latents.storage.dataset import SPLITS, LatentDataset, open_dataset

_SLACK = 2.0  # frames of the slower representation by which the lengths of one utterance may differ


@dataclass(frozen=True, eq=False)
class LatentCollection:
    """Datasets of different representations, the first of which the others are compared with."""

    datasets: tuple[LatentDataset, ...]

    @property
    def first(self) -> LatentDataset:
        """The first dataset: the reference, or the only one."""
        return self.datasets[0]

    def __iter__(self) -> Iterator[LatentDataset]:
        return iter(self.datasets)

    def of(self, representation: str) -> LatentDataset:
        """The dataset of a representation; the first where none is named."""
        named = {dataset.meta.representation: dataset for dataset in self.datasets}
        return named[representation] if representation else self.first

    @property
    def representations(self) -> list[str]:
        """The names of the representations."""
        return [dataset.meta.representation for dataset in self.datasets]

    @property
    def frame_rates(self) -> dict[str, float]:
        """Frame rates in Hz by representation; that of the first also under the empty name."""
        rates = {dataset.meta.representation: dataset.meta.frame_rate for dataset in self.datasets}
        return {"": self.first.meta.frame_rate, **rates}

    @cached_property
    def content_hash(self) -> str:
        """The hash of everything that learning can see, and of the order of the datasets."""
        return joint_hash([dataset.content_hash for dataset in self.datasets])

    @property
    def where(self) -> str:
        """The folders of the datasets, in one line."""
        return " ".join(str(dataset.root) for dataset in self.datasets)


def open_collection(latents: Sequence[str]) -> LatentCollection:
    """Open what ``--latents`` names; each dataset has enough speakers and a codec that loads.

    Raises:
        InputError: one of them cannot be opened, lacks speakers, or is not of the same audio as the first.
    """
    datasets = tuple(checked_dataset(name) for name in latents)
    names = [dataset.meta.representation for dataset in datasets]
    for i, dataset in enumerate(datasets):
        if names[i] in names[:i]:
            raise InputError(
                f"--latents {dataset.root} holds {names[i]} latents, and so does "
                f"{datasets[names.index(names[i])].root}; give each representation once"
            )
    for other in datasets[1:]:
        _require_same_audio(datasets[0], other)
    return LatentCollection(datasets)


def checked_dataset(latents: str) -> LatentDataset:
    """Open one dataset that ``--latents`` names, which has enough speakers and a codec that loads.

    Raises:
        InputError: it cannot be opened, lacks speakers, or its codec does not load.
    """
    dataset = open_dataset(latents_folder(latents))
    for split, fewest in FEWEST_SPEAKERS.items():
        dataset.require_speakers(fewest, split)
    if dataset.meta.codec is not None:
        from trainables.latents.codec_registry import load_codec

        load_codec(dataset.meta.codec, dataset.meta.weights)  # better refused now than after training
    return dataset


def same_audio(one: LatentDataset, folders: Iterable[Path]) -> list[LatentDataset]:
    """The datasets among some folders that hold another representation of the same audio as ``one``."""
    alike: list[LatentDataset] = []
    for folder in folders:
        if folder.resolve() == one.root.resolve() or not any(folder.glob("*.parquet")):
            continue
        try:
            other = checked_dataset(str(folder))
            _require_same_audio(one, other)
        except InputError:
            continue
        if other.meta.representation not in {d.meta.representation for d in (one, *alike)}:
            alike.append(other)
    return alike


def _require_same_audio(one: LatentDataset, other: LatentDataset) -> None:
    """Refuse datasets whose utterances differ in name, split or length."""
    both = f"--latents {one.root} and {other.root} are not of the same audio"
    remedy = "encode both from the same folder (what is derived loses recordings of less than two frames)"
    for split in SPLITS:
        odd = set(one.utterances(split)) ^ set(other.utterances(split))
        if odd:
            raise InputError(f"{both}: only one has {min(odd)} among its {split} utterances; {remedy}")
    slack = _SLACK / min(one.meta.frame_rate, other.meta.frame_rate)
    lengths = _seconds(other)
    for name, seconds in _seconds(one).items():
        if abs(seconds - lengths[name]) > slack:
            raise InputError(f"{both}: {name} lasts {seconds:.2f} s and {lengths[name]:.2f} s; {remedy}")


def _seconds(dataset: LatentDataset) -> dict[str, float]:
    index = dataset.index
    frames = zip(index["utterance_id"].to_pylist(), index["num_frames"].to_pylist(), strict=True)
    return {name: count / dataset.meta.frame_rate for name, count in frames}
