"""A judged run on log-mel spectra of made voices, with the weights of its arms' winners."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile
import torch

from orchestrator.datasets.description import describe_data
from orchestrator.judging.verdict import judge
from orchestrator.records.evidence import Evidence
from orchestrator.records.lane_store import LANES_FOLDER, LaneStore
from tests.orchestrator.inspection.test_listening import speechlike
from tests.orchestrator.synthetic_evidence import STUDY, Truth, evidence
from trainables.latents.batching.shard import Shard
from trainables.latents.codec_registry import load_codec
from trainables.latents.codecs.meta import meta_of
from trainables.latents.storage.dataset import open_dataset
from trainables.latents.storage.parquet_file import Utterance, write_utterances
from trainables.predictor.heads import survey
from trainables.predictor.model.predictor import build_predictor

SMALL = {"width": 8, "context": 4}
SPEAKERS = {"train": 1, "validation": 1, "test": 2}
LATTICE = 0.125  # as if a codec's latents lay on one, so that there is dither


def spoken_run(folder: Path, arms: dict[str, Truth] | None = None) -> Path:
    """A run folder in ``folder``, beside its latents, its recordings and its lanes."""
    truths = arms or {
        "mdn": Truth(cos=(0.7, 0.2), quality=0.3, config={**SMALL, "feedback": "sample"}),
        "vmf": Truth(quality=0.6, config=SMALL),
    }
    record = evidence(truths, codec="logmel")
    dataset = open_dataset(_latents(folder))
    record.data = describe_data(dataset)
    store, run = LaneStore(folder / LANES_FOLDER), folder / "run"
    torch.manual_seed(0)
    # Untrained, but with the whitening and the length of steps that training would begin with.
    frames_ND = Shard.from_tables(dataset.tables("train"), rms=dataset.rms, lattice_step=LATTICE).frames_SND[
        0
    ]
    for name, arm in record.arms.items():
        for number, replicate in enumerate(arm.replicates):
            replicate.key = f"{name}-{number}"
            model = build_predictor(arm.config.structure, record.data["dim"])
            model.start_from(survey(arm.config.structure, frames_ND.diff(dim=0), frames_ND))
            model.head.factor_DD.mul_(0.05)  # an untrained model would run out of hearing
            torch.save(model.state_dict(), folder / "weights.pt")
            store.keep(replicate.key, {}, folder / "weights.pt")
    run.mkdir()
    record.write(run / "evidence.json")
    (run / "verdict.json").write_text(json.dumps(judge(STUDY, record).to_json()))
    return run


def record_of(run: Path) -> Evidence:
    """The record of a run."""
    return Evidence.read(run / "evidence.json")


def _latents(folder: Path) -> Path:
    codec, rows = load_codec("logmel", None), []
    for number, (split, count) in enumerate(SPEAKERS.items()):
        for speaker in range(count):
            name = f"{split}{speaker}"
            audio = speechlike(10 * number + speaker, codec.sample_rate)
            (folder / "audio" / name).mkdir(parents=True)
            soundfile.write(
                folder / "audio" / name / f"{name}.wav", audio, codec.sample_rate, subtype="FLOAT"
            )
            frames = codec.encode(audio)
            unknown = np.full(len(frames), np.nan, np.float32)
            rows.append(Utterance(name, name, split, frames, unknown, unknown, unknown))
    (folder / "audio" / "LICENSE").write_text("\nMade voices, nobody's.\n")
    meta = meta_of(codec, lattice_step=LATTICE, source=str(folder / "audio"))
    write_utterances(folder / "latents" / "part.parquet", rows, meta)
    return folder / "latents"
