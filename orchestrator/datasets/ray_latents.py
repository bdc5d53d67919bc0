"""Latents in Ray: read by Ray Data, kept in the object store as Arrow, and on their devices by trials."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.datasets.feed_cache import FeedCache
from orchestrator.datasets.latent_source import LatentSource, StoredFile, accepted, first_row, rows_of_files
from trainables.contract import Auxiliary, Tracks
from trainables.distributions.frame_flow import FrameFlow
from trainables.latents.batching.planted import PlantWorld, plants_of
from trainables.latents.batching.surrogates import Surrogate
from trainables.latents.speech.dataset_tracks import frame_tracks
from trainables.latents.storage.dataset import LatentDataset, Split, latent_frames

if TYPE_CHECKING:
    from orchestrator.datasets.collection import LatentCollection
    from trainables.latents.batching.feed import Feed, Share

# Reading takes little, and must find room beside workers that hold almost every core.
_READ_CPUS = 0.25
_STORE_SHARE = 0.25  # of the object stores, for the splits of a dataset that are kept there
_STORED_BYTES = 2  # of a number, as latents are stored
# Of the budget, for frames that are held to be scored; what is measured does not depend on it.
_HELD_OUT_SHARE = 0.25
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
    dim: int  # latent dimensions, D
    lengths: dict[str, int]  # of every utterance, its number of frames
    file_of: dict[str, int]  # of every utterance, the place of its file among ``files``
    blocks: dict[str, list[ray.ObjectRef]] = field(default_factory=dict)  # split -> Arrow tables
    plants: dict[Surrogate, PlantWorld] = field(default_factory=dict)  # of surrogates that are planted
    # Of training frames with their surrogates that the workers of a pack hold at once, bytes. Where there are
    # more, they come in chunks that follow from it: it must not depend on the machine.
    budget_bytes: int = 2 << 30
    # Of surrogates that have one, the state of a density of single frames, which knows no past.
    flows: dict[Surrogate, dict[str, Any]] = field(default_factory=dict)
    auxiliaries: dict[Auxiliary, ray.ObjectRef] = field(default_factory=dict)  # what was fitted before
    tracks: dict[str, ray.ObjectRef] = field(default_factory=dict)  # split -> acoustic tracks by utterance
    codec: tuple[str, str | None] | None = None  # name and weights; None where nothing decodes the frames
    world: dict[str, Any] | None = None  # the control world that they are of, as their metadata have it

    @classmethod
    def of(cls, dataset: LatentDataset, splits: Sequence[str]) -> RayLatents:
        """The latents of some splits of a dataset, with its constants; no frames are read yet."""
        files = StoredFile.all_of(dataset)
        held = [file.index["utterance_id"].to_pylist() for file in dataset.opened]
        return cls(
            files=files,
            home=ray.get_runtime_context().get_node_id(),
            content_hash=dataset.content_hash,
            rms=dataset.rms,
            lattice_step=dataset.meta.lattice_step,
            frame_rate=dataset.meta.frame_rate,
            ids={split: dataset.utterances(split) for split in splits},
            dim=dataset.meta.dim,
            lengths=dataset.lengths(*splits),
            file_of={name: place for place, names in enumerate(held) for name in names},
            codec=None if dataset.meta.codec is None else (dataset.meta.codec, dataset.meta.weights),
            world=dataset.meta.world,
        )

    @property
    def near(self) -> NodeAffinitySchedulingStrategy:
        """The placement of a task that reads files or codec weights from the disk of the home node."""
        return NodeAffinitySchedulingStrategy(self.home, soft=True)

    def read(self, split: str) -> None:
        """Bring a split into the object store, once, in an order that does not depend on timing.

        One that would take more than its share of the store stays on disk, and is read from there.

        Raises:
            InputError: a file has been damaged, edited or exchanged since the dataset was opened.
        """
        if split in self.blocks or not self._fits_store(split):
            return
        refs = open_rows(self, split).materialize().to_arrow_refs()
        # Looked at where they lie: this process has no room for all of them.
        look = ray.remote(first_row).options(num_cpus=0)
        rows = accepted(ray.get([look.remote(ref) for ref in refs]))
        # A file without utterances of the split leaves a table without rows, or even without columns.
        first = {
            ref: row["utterance_id"][0].as_py() for ref, row in zip(refs, rows, strict=True) if row.num_rows
        }
        self.blocks[split] = sorted(first, key=lambda ref: first[ref])

    def tables(self, split: str, ids: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield the utterances of a split, or some of them, table by table: out of the object store where
        :meth:`read` has put all of them there, else out of their files, on the machine that has these.

        Raises:
            InputError: a file has been damaged, edited or exchanged since the dataset was opened.
        """
        if ids is None and split in self.blocks:
            yield from map(ray.get, self.blocks[split])
            return
        wanted = self.ids[split] if ids is None else ids
        if not wanted:
            return
        files = [self.files[place] for place in sorted({self.file_of[name] for name in wanted})]
        # Without a core of their own: beside packs on every core they would wait for ever.
        read = ray.remote(rows_of_files).options(
            num_cpus=0, num_returns="streaming", scheduling_strategy=self.near
        )
        yield from accepted(map(ray.get, read.remote(files, split, list(wanted))))

    def held_bytes(self, splits: Sequence[str]) -> int:
        """How many bytes the frames of some splits may take that one feed holds at once."""
        return self.budget_bytes if Split.TRAIN in splits else int(_HELD_OUT_SHARE * self.budget_bytes)

    def _fits_store(self, split: str) -> bool:
        frames = sum(self.lengths[name] for kept in (*self.blocks, split) for name in self.ids[kept])
        store = ray.cluster_resources().get("object_store_memory", 0.0)
        return frames * self.dim * _STORED_BYTES <= _STORE_SHARE * store

    def fit_plants(self, dataset: LatentDataset) -> None:
        """Fit the plants, once, to the training frames of the dataset that these latents are of.

        Raises:
            InputError: a file has been damaged, edited or exchanged since the dataset was opened, or its
                frames are too few, or of one dimension.
        """
        if not self.plants:
            steps = sum(max(0, frames - 1) for frames in dataset.lengths(Split.TRAIN).values())
            self.plants.update(plants_of(_training_frames(dataset), steps))

    def read_tracks(self, dataset: LatentDataset, *splits: str) -> None:
        """Bring the acoustic tracks of some splits of the dataset that these latents are of into the object
        store, once; they are measured where they are missing.
        """
        task = ray.remote(frame_tracks).options(scheduling_strategy=self.near)
        self.tracks.update({s: task.remote(dataset, s) for s in splits if s not in self.tracks})

    def frame_tracks(self, *splits: str) -> Tracks:
        """The acoustic tracks of some splits by utterance; empty where :meth:`read_tracks` has read none."""
        refs = [self.tracks[split] for split in dict.fromkeys(splits) if split in self.tracks]
        return {name: tracks for part in ray.get(refs) for name, tracks in part.items()}

    def frame_flows(self) -> dict[str, FrameFlow]:
        """The densities of single frames by surrogate, rebuilt from their states."""
        return {surrogate: FrameFlow.from_state(state) for surrogate, state in self.flows.items()}

    def only(self, *splits: str) -> RayLatents:
        """The same dataset with only these splits, so that exploration cannot see the test speakers."""
        return replace(
            self,
            ids={split: self.ids[split] for split in splits},
            lengths={name: self.lengths[name] for split in splits for name in self.ids[split]},
            blocks={split: self.blocks[split] for split in splits if split in self.blocks},
            tracks={split: self.tracks[split] for split in splits if split in self.tracks},
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
    return _feeds.get(
        latents.content_hash,
        (split, tuple(surrogates), str(device), str(dtype)),
        lambda: feed_of(latents, (split,), surrogates=surrogates, device=device, dtype=dtype),
    )


def feed_of(
    latents: RayLatents,
    splits: Sequence[str],
    share: Share | None = None,
    **settings: Any,
) -> Feed:
    """The feed of some splits.

    Args:
        latents: whose splits they are.
        splits: that are fed.
        share: takes ids and returns those that this worker holds; None where it holds all.
        settings: of :class:`Feed`, in place of what the latents say.
    """
    from trainables.latents.batching.feed import Extent, Feed

    def tables(ids: Sequence[str] | None = None) -> Iterator[pa.Table]:
        for split in splits:
            wanted = None if ids is None else sorted(set(ids) & set(latents.ids[split]))
            yield from latents.tables(split, wanted)

    lengths = {name: latents.lengths[name] for split in splits for name in latents.ids[split]}
    return Feed(
        tables,
        open_some=tables,
        extent=Extent(lengths, latents.dim),
        share=share,
        plants=latents.plants,
        budget_bytes=latents.held_bytes(splits),
        **{**constants(latents), **settings},
    )


def constants(latents: RayLatents) -> dict[str, Any]:
    """The arguments that all feeds of a dataset have in common: rms, lattice step and frame rate in Hz."""
    return {"rms": latents.rms, "lattice_step": latents.lattice_step, "frame_rate": latents.frame_rate}
