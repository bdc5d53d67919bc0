"""Latents in Ray: read by Ray Data, kept in the object store as Arrow, and on their devices by trials."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.datasets.feed_cache import FeedCache
from orchestrator.datasets.latent_source import LatentSource, StoredFile, accepted
from trainables.distributions.frame_flow import FrameFlow
from trainables.latents.batching.planted import PlantWorld, plants_of
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.storage.dataset import LatentDataset, Split, latent_frames

if TYPE_CHECKING:
    from orchestrator.datasets.collection import LatentCollection
    from trainables.latents.batching.feed import Feed

# Reading takes little, and must find room beside workers that hold almost every core.
_READ_CPUS = 0.25
_feeds = FeedCache(most=3)  # of this process, with their shards on its device


@dataclass(frozen=True, kw_only=True)
class RayLatents:
    """A dataset as trials see it: its constants, and the Arrow tables of splits in the object store."""

    files: tuple[StoredFile, ...]
    home: str  # the Ray node whose disk holds them
    content_hash: str
    rms: float
    lattice_step: float | None
    frame_rate: float
    ids: dict[str, list[str]]  # split -> utterances
    blocks: dict[str, list[ray.ObjectRef]] = field(default_factory=dict)  # split -> Arrow tables
    plants: dict[Surrogate, PlantWorld] = field(default_factory=dict)  # of surrogates that are planted
    # Of surrogates that have one, the state of a density of single frames, which knows no past.
    flows: dict[Surrogate, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: LatentDataset, splits: Sequence[str]) -> RayLatents:
        """The latents of some splits of a dataset, with its constants; no frames are read yet."""
        return cls(
            files=StoredFile.all_of(dataset),
            home=ray.get_runtime_context().get_node_id(),
            content_hash=dataset.content_hash,
            rms=dataset.rms,
            lattice_step=dataset.meta.lattice_step,
            frame_rate=dataset.meta.frame_rate,
            ids={split: dataset.utterances(split) for split in splits},
        )

    @property
    def near(self) -> NodeAffinitySchedulingStrategy:
        """The placement of a task that reads files or codec weights from the disk of the home node."""
        return NodeAffinitySchedulingStrategy(self.home, soft=True)

    def read(self, split: str) -> None:
        """Bring a split into the object store, once, in an order that does not depend on timing.

        Raises:
            InputError: a file has been damaged, edited or exchanged since the dataset was opened.
        """
        if split not in self.blocks:
            refs = open_rows(self, split).materialize().to_arrow_refs()
            tables = dict(zip(refs, accepted(ray.get(ref) for ref in refs), strict=True))
            # A file without utterances of the split leaves a table without rows, or even without columns.
            first = {ref: table["utterance_id"][0].as_py() for ref, table in tables.items() if table.num_rows}
            self.blocks[split] = sorted(first, key=lambda ref: first[ref])

    def fit_plants(self, dataset: LatentDataset) -> None:
        """Fit the plants, once, to the training frames of the dataset that these latents are of.

        Raises:
            InputError: a file has been damaged, edited or exchanged since the dataset was opened, or its
                frames are too few, or of one dimension.
        """
        if not self.plants:
            self.plants.update(plants_of(_training_frames(dataset)))

    def frame_flows(self) -> dict[str, FrameFlow]:
        """The densities of single frames by surrogate, rebuilt from their states."""
        return {surrogate: FrameFlow.from_state(state) for surrogate, state in self.flows.items()}

    def only(self, *splits: str) -> RayLatents:
        """The same dataset with only these splits, so that exploration cannot see the test speakers."""
        return replace(
            self,
            ids={split: self.ids[split] for split in splits},
            blocks={split: self.blocks[split] for split in splits if split in self.blocks},
        )


def by_representation(collection: LatentCollection, splits: Sequence[str]) -> dict[str, RayLatents]:
    """Latents by representation; the first is also under the empty name, for lanes that name none."""
    latents = {dataset.meta.representation: RayLatents.of(dataset, splits) for dataset in collection}
    return {"": latents[collection.first.meta.representation], **latents}


def open_rows(latents: RayLatents, split: str, ids: Sequence[str] | None = None) -> ray.data.Dataset:
    """The utterances of a split, or those of ``ids`` among them, as a lazy stream for :func:`accepted`.

    It is read on the machine that has the files, once it is asked for.
    """
    # The order of files is not asked for: Ray Data would wait for ever behind a file that holds nothing of
    # a split.
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray.data.read_datasource(
        LatentSource(latents.files, split, ids),
        num_cpus=_READ_CPUS,
        # A reader for each file: starting more would take most of the time.
        override_num_blocks=len(latents.files),
        concurrency=max(1, min(len(latents.files), int(ray.cluster_resources()["CPU"]))),
        label_selector={"ray.io/node-id": latents.home},
        fallback_strategy=[{"label_selector": {}}],  # anywhere, as ``near`` does
    )


def _training_frames(dataset: LatentDataset) -> Iterator[np.ndarray]:
    """The training utterances, [T, D] each, in units of the training RMS, without dither."""
    for table in dataset.tables(Split.TRAIN):
        frames, offsets = latent_frames(table["latents"])
        for begin, end in itertools.pairwise(offsets):
            yield frames[begin:end].astype(np.float64) / dataset.rms


def feed(latents: RayLatents, split: str, surrogates: Sequence[Surrogate], device: Any, dtype: Any) -> Feed:
    """The feed of a split, built once per process: a reused actor finds its shard on the device."""
    from trainables.latents.batching.feed import Feed

    blocks = latents.blocks[split]
    return _feeds.get(
        latents.content_hash,
        (split, tuple(surrogates), str(device), str(dtype)),
        lambda: Feed(
            lambda: (ray.get(block) for block in blocks),
            ids=latents.ids[split],
            surrogates=surrogates,
            plants=latents.plants,
            **constants(latents),
            device=device,
            dtype=dtype,
        ),
    )


def constants(latents: RayLatents) -> dict[str, Any]:
    """The arguments that all feeds of a dataset have in common: rms, lattice step and frame rate in Hz."""
    return {"rms": latents.rms, "lattice_step": latents.lattice_step, "frame_rate": latents.frame_rate}
