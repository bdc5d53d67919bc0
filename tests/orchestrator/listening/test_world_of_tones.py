"""A control world that sounds, from latents and weights to pages, answers and what machines made of it."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
import torch

from orchestrator.judging.criteria import Outcome
from orchestrator.judging.machine_agreement import machine_agreement
from orchestrator.listening.collecting import collect_answers, sealed_panel
from orchestrator.listening.making import make_panel
from orchestrator.listening.panel import Kind
from orchestrator.listening.playing import write_play_page
from orchestrator.records.evidence import Evidence
from orchestrator.records.lane_store import LANES_FOLDER, LaneStore
from search_spaces.study import PREFERENCE
from tests.orchestrator.listening.listeners import ARM, GOOD, answer_file, prefers
from tests.orchestrator.synthetic_evidence import evidence
from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec
from trainables.latents.codecs.meta import meta_of
from trainables.latents.derived.derive_dataset import fit_transform
from trainables.latents.storage.dataset import Utterance, open_dataset, write_utterances
from trainables.latents.storage.parquet_file import of_control_world
from trainables.latents.worlds.directional import DIRECTIONAL
from trainables.latents.worlds.tones import Tones
from trainables.predictor.model.predictor import build_predictor

PAIRS, FRAMES = 12, 152
QUALITY = "continuation quality, 0 to 1"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A judged run on the tones of `directional`, with the weights of its winners and a panel."""
    folder = tmp_path_factory.mktemp("tones")
    record = evidence(GOOD, codec=Tones.name, exhibits=2)
    record.data |= {"path": str(folder / "latents"), "hash": _latents(folder / "latents")}
    store = LaneStore(folder / LANES_FOLDER)
    torch.manual_seed(0)
    for name, arm in record.arms.items():
        for number, replicate in enumerate(arm.replicates):
            replicate.key = f"{name}-{number}"
            weights = folder / "weights.pt"
            torch.save(build_predictor(arm.config.structure, DIRECTIONAL.dim).state_dict(), weights)
            store.keep(replicate.key, {}, weights)
    run = folder / "run"
    run.mkdir()
    record.write(run / "evidence.json")
    make_panel(run, PAIRS, 8, lambda done, total: None)
    return run


def _latents(folder) -> str:
    """Write a few utterances of the world, and return their hash."""
    meta = meta_of(Tones(None), world={"name": "directional"})
    splits = ["train", *["test"] * PAIRS]
    paths = DIRECTIONAL.simulate(len(splits), FRAMES, np.random.default_rng(0))
    unknown = np.full(FRAMES, np.nan, np.float32)
    rows = [
        Utterance(f"{split}-{i}", f"{split}-{i}", split, paths[i], unknown, unknown, unknown)
        for i, split in enumerate(splits)
    ]
    write_utterances(folder / "world.parquet", rows, meta)
    return open_dataset(folder).content_hash


def test_what_is_derived_from_it_is_decoded_by_way_of_it_and_encodes_nothing(run, tmp_path):
    transform = fit_transform("pca(4)", open_dataset(run.parent / "latents"))
    transform.save(tmp_path)
    codec = load_codec(transform.name, str(tmp_path))
    assert codec.name == "pca4(control:directional)" and of_control_world(codec.name)
    assert codec.decode(np.zeros((5, 4), np.float32)).shape == (5 * 320,)
    with pytest.raises(InputError, match="nothing is encoded"):
        codec.encode(np.zeros(640, np.float32))


def test_machines_are_asked_before_anyone_hears_the_page_and_of_tones_only_what_they_know(run):
    panel, trials, _, machines = sealed_panel(run)
    heard = {trial.utterance_id for trial in trials.values()}
    assert len(panel.clips) == 2 * len(trials) and len(heard) == PAIRS
    assert set(machines) == {QUALITY, "log-spectral distance, dB"}, "networks were taught speech"
    for favour in machines.values():
        assert set(favour) == heard
        assert all(math.isfinite(value) for value in favour.values()) and any(favour.values())


def test_what_was_heard_is_shown_beside_what_machines_heard_and_decides_alone(run):
    _, trials, _, machines = sealed_panel(run)

    def with_the_machine(trial, rng):
        """The habit of a listener who hears what continuation quality hears."""
        if trial.kind not in (Kind.PREFERENCE, Kind.REPEAT):
            return prefers(0.5)(trial, rng)
        return prefers(float(machines[QUALITY][trial.utterance_id] > 0))(trial, rng)

    files = [answer_file(run, list(trials.values()), f"L{i}", with_the_machine, i) for i in range(8)]
    collected = collect_answers(run, files)
    ratings = Evidence.read(run / "evidence.json").ratings
    agreements = machine_agreement(ratings)
    assert agreements[QUALITY].tau > 0.5 and agreements[QUALITY].p < 0.02
    assert agreements[QUALITY].count == PAIRS
    for page in ("report.html", "report.md"):
        text = (run / page).read_text()
        row = next(line for line in text.splitlines() if QUALITY in line)
        assert f"{agreements[QUALITY].tau:.3f}" in row
    (asked,) = (r for r in collected.judgement.criteria if r.criterion.metric == PREFERENCE)
    assert asked.outcome is Outcome.UNDECIDED or asked.outcome is Outcome.FAILED
    assert "continuation_quality" not in json.dumps(ratings)

    reversed_machine = {**ratings, "machines": {QUALITY: {k: -v for k, v in machines[QUALITY].items()}}}
    assert machine_agreement(reversed_machine)[QUALITY].tau == -agreements[QUALITY].tau
    assert machine_agreement({**ratings, "machines": {}}) == machine_agreement({}) == {}
    nobody = [{**listener, "left_out": "asleep"} for listener in ratings["listeners"]]
    assert machine_agreement({**ratings, "listeners": nobody}) == {}


def test_the_page_to_hear_it_by_has_floor_and_ceiling_in_every_row(run):
    text = write_play_page(run).read_text()
    table = text[text.index('id="machines"') :]
    columns, *rows = (
        [re.sub("<[^>]+>", "", cell) for cell in re.findall("<t[hd].*?</t[hd]>", row)]
        for row in re.findall("<tr>.*?</tr>", table, re.DOTALL)
    )
    assert columns[3:5] == ["mdn", ARM] and columns[-1] == "random walk"
    quality = dict(zip(columns, rows[0], strict=True))
    assert quality["measure"] == QUALITY and quality["original"] == "–"
    ceiling, *floors = (
        float(quality[name])
        for name in ("codec&#39;s copy", "frozen frame", "mean of all frames", "random walk")
    )
    assert ceiling == 1.0 and max(floors) < 0.1
    assert [row[0].partition(" (asked of speech alone)")[1] != "" for row in rows] == [False] * 2 + [True] * 3
