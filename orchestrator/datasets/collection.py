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
from trainables.own_parts.registry import PartKind, is_own_part

_SLACK = 2.0  # frames of the slower representation by which the two lengths of an utterance may differ


@dataclass(frozen=True, eq=False)
class LatentCollection:
    """Datasets of different representations; the others are compared with the first."""

    datasets: tuple[LatentDataset, ...]

    @property
    def first(self) -> LatentDataset:
        """The first dataset: the reference, or the only one."""
        return self.datasets[0]

    def __iter__(self) -> Iterator[LatentDataset]:
        return iter(self.datasets)

    def of(self, representation: str) -> LatentDataset:
        """The dataset of a representation; the first for the empty name."""
        named = {dataset.meta.representation: dataset for dataset in self.datasets}
        return named[representation] if representation else self.first

    @property
    def representations(self) -> list[str]:
        """The names of the representations."""
        return [dataset.meta.representation for dataset in self.datasets]

    @property
    def frame_rates(self) -> dict[str, float]:
        """Frame rates in Hz by representation; that of the first is also under the empty name."""
        rates = {dataset.meta.representation: dataset.meta.frame_rate for dataset in self.datasets}
        return {"": self.first.meta.frame_rate, **rates}

    @cached_property
    def content_hash(self) -> str:
        """The hash of all data that training can see, and of the order of the datasets."""
        return joint_hash([dataset.content_hash for dataset in self.datasets])

    @property
    def where(self) -> str:
        """The folders of the datasets, in one line."""
        return " ".join(str(dataset.root) for dataset in self.datasets)


def open_collection(latents: Sequence[str]) -> LatentCollection:
    """Open the datasets that ``--latents`` names, and check speakers, codecs and that the audio is the same.

    Raises:
        InputError: a dataset cannot be opened, lacks speakers, has a codec that does not load, has the
            representation of another, or is not of the same audio as the first.
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
    """Open one dataset that ``--latents`` names, and check its speakers and its codec.

    Raises:
        InputError: it cannot be opened, lacks speakers, or its codec does not load.
    """
    dataset = open_dataset(latents_folder(latents))
    for split, fewest in FEWEST_SPEAKERS.items():
        dataset.require_speakers(fewest, split)
    if dataset.meta.codec is not None:
        from trainables.latents.codec_registry import load_codec

        codec = load_codec(dataset.meta.codec, dataset.meta.weights)  # refused now rather than after training
        if is_own_part(PartKind.CODEC, codec.name) and codec.hash != dataset.meta.codec_hash:
            raise InputError(
                f"--latents {latents} were encoded by another version of the codec {codec.name}; put "
                "its code back, or encode them again into another folder"
            )
    return dataset


def same_audio(reference: LatentDataset, folders: Iterable[Path]) -> list[LatentDataset]:
    """The datasets among some folders that hold another representation of the audio of ``reference``."""
    others: list[LatentDataset] = []
    for folder in folders:
        if folder.resolve() == reference.root.resolve() or not any(folder.glob("*.parquet")):
            continue
        try:
            other = checked_dataset(str(folder))
            _require_same_audio(reference, other)
        except InputError:
            continue
        if other.meta.representation not in {d.meta.representation for d in (reference, *others)}:
            others.append(other)
    return others


def _require_same_audio(reference: LatentDataset, other: LatentDataset) -> None:
    """Refuse datasets whose utterances differ in name, split or length."""
    both = f"--latents {reference.root} and {other.root} are not of the same audio"
    remedy = "encode both from the same folder (derived latents lack recordings of less than two frames)"
    for split in SPLITS:
        unmatched = set(reference.utterances(split)) ^ set(other.utterances(split))
        if unmatched:
            raise InputError(f"{both}: only one has {min(unmatched)} among its {split} utterances; {remedy}")
    slack = _SLACK / min(reference.meta.frame_rate, other.meta.frame_rate)
    lengths = _seconds(other)
    for name, seconds in _seconds(reference).items():
        if abs(seconds - lengths[name]) > slack:
            raise InputError(f"{both}: {name} lasts {seconds:.2f} s and {lengths[name]:.2f} s; {remedy}")


def _seconds(dataset: LatentDataset) -> dict[str, float]:
    index = dataset.index
    frames = zip(index["utterance_id"].to_pylist(), index["num_frames"].to_pylist(), strict=True)
    return {name: count / dataset.meta.frame_rate for name, count in frames}
