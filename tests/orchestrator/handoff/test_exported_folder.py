"""A winner in a folder of its own: the same bits as the run's own clips, and a card that says what it is."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from orchestrator.handoff.exported_folder import write_export
from orchestrator.handoff.winners import continuing_arms, trained_predictor
from orchestrator.inspection.clips import choose_clips, continued
from orchestrator.records.lane_store import LANES_FOLDER, LaneStore
from tests.orchestrator.handoff.spoken_run import LATTICE, record_of
from trainables.errors import InputError
from trainables.latents.storage.dataset import open_dataset
from trainables.latents.storage.parquet_file import Split
from trainables.predictor.exported import load_predictor

# What may not be there when an exported predictor is opened.
BLOCKED = """
import sys
for name in ("ray", "optuna", "mlflow"):
    sys.modules[name] = None
import numpy as np
from trainables.predictor.exported import load_predictor
predictor = load_predictor(sys.argv[1])
given = np.load(sys.argv[2])
context, name, seed, reads, frames = (given[key] for key in ("context", "name", "seed", "reads", "frames"))
made = predictor.continue_latents(context, int(frames), name=str(name), seed=int(seed), reads=int(reads))
np.save(sys.argv[3], made)
assert not {"orchestrator", "search_spaces"} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def exported(run):
    record = record_of(run)
    for arm in record.arms:
        write_export(run, record, arm, run / "exported" / arm)
    return run / "exported"


def own_clip(run, arm, replicate=0):
    """A clip of the run's inspection with its continuation by its own function, and its whole utterance."""
    record, dataset = record_of(run), open_dataset(run.parent / "latents")
    clip = choose_clips(dataset, [each.config for each in record.arms.values()])[0]
    winner = record.arms[arm]
    weights = LaneStore(run.parent / LANES_FOLDER).weights(winner.replicates[replicate].key)
    (made,) = continued([clip], winner.config.structure, weights, replicate, dataset.rms)
    (table,) = dataset.tables(Split.TEST, [clip.utterance_id])
    (stored,) = table["latents"].to_pylist()
    return clip, np.asarray(stored, np.float32), made


def asked_as(clip, utterance, replicate=0):
    """What an exported predictor is asked for, to make the same clip."""
    reads = len(clip.normalised_CD)
    given = {"context": utterance[: clip.start + reads], "frames": len(clip.raw_TD) - reads, "reads": reads}
    return {**given, "name": clip.utterance_id, "seed": replicate}


@pytest.mark.parametrize("arm", ["mdn", "vmf"])
@pytest.mark.parametrize("replicate", [0, 3])
def test_it_continues_as_the_run_did_bit_for_bit(run, exported, tmp_path, arm, replicate):
    clip, utterance, made = own_clip(run, arm, replicate)
    assert clip.start > 0 and LATTICE, "dither is drawn from the utterance's beginning on"
    write_export(run, record_of(run), arm, tmp_path / "out", replicate=replicate)
    asked = asked_as(clip, utterance, replicate)
    again = load_predictor(tmp_path / "out").continue_latents(
        asked.pop("context"), asked.pop("frames"), **asked
    )
    assert again.dtype == made.dtype and again.tobytes() == made.tobytes()
    other = load_predictor(exported / ("vmf" if arm == "mdn" else "mdn"))
    assert not np.allclose(other.continue_latents(utterance, len(made), name=clip.utterance_id), made)


@pytest.mark.slow
def test_it_needs_neither_ray_nor_optuna_nor_mlflow(run, exported, tmp_path):
    clip, utterance, made = own_clip(run, "mdn")
    np.savez(tmp_path / "asked.npz", **asked_as(clip, utterance))
    paths = [str(path) for path in (exported / "mdn", tmp_path / "asked.npz", tmp_path / "made.npy")]
    done = subprocess.run([sys.executable, "-c", BLOCKED, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "made.npy").tobytes() == made.tobytes()


def test_the_folder_says_what_it_holds(run, exported):
    folder, record = exported / "vmf", record_of(run)
    assert {file.name for file in folder.iterdir()} == {"README.md", "predictor.json", "weights.safetensors"}
    known = json.loads((folder / "predictor.json").read_text())
    latents, codec = known["latents"], record.data["codec_hash"]
    assert (latents["codec"], latents["codec_hash"]) == ("logmel", codec)
    assert (latents["rms"], latents["lattice_step"]) == (record.data["rms"], LATTICE)
    weights = load_file(folder / "weights.safetensors")
    kept = trained_predictor(run, record, "vmf").weights
    assert weights.keys() == kept.keys() and all(torch.equal(weights[name], kept[name]) for name in kept)
    assert {"backbone.mean_D", "head.factor_DD"} <= weights.keys(), "the whitening travels with the weights"
    assert known["origin"]["verdict"] == "GO" and known["origin"]["seed"] == 0

    card = (folder / "README.md").read_text()
    judged = json.loads((run / "verdict.json").read_text())
    estimate = judged["criteria"][0]["estimate"]
    assert f"{estimate['estimate']:.4g} [{estimate['low']:.4g}, {estimate['high']:.4g}]" in card
    finished = judged["replicates"]["vmf"]["finished"]
    assert f"of the study, over {finished} seeds and the test speakers" in card
    assert judged["reason"] in card and card.count("\n- ") == len(judged["criteria"])
    rows = dict(re.findall(r"^\| ([^|]+) \| (.+) \|$", card, re.MULTILINE))
    assert rows["speakers"] == "1 train, 1 validation, 2 test"
    assert rows["codec"] == f"logmel, hash {codec}"
    assert rows["licence of the data"].endswith("audio/LICENSE: Made voices, nobody's.")


def test_exporting_again_replaces_it_and_nothing_else(run, tmp_path):
    record = record_of(run)
    write_export(run, record, "mdn", tmp_path / "out", licence="mine")
    write_export(run, record, "vmf", tmp_path / "out", licence="mine")
    assert load_predictor(tmp_path / "out").arm == "vmf"
    assert "| licence of the data | mine |" in (tmp_path / "out" / "README.md").read_text()
    with pytest.raises(InputError, match="holds something else"):
        write_export(run, record, "vmf", tmp_path)


def test_what_cannot_be_exported_is_a_sentence(run, tmp_path):
    record = record_of(run)
    assert continuing_arms(record) == ["mdn", "vmf"]
    with pytest.raises(InputError, match="has no arm 'vmff'; it has mdn, vmf"):
        write_export(run, record, "vmff", tmp_path / "out")
    with pytest.raises(InputError, match="--replicate is 6; .* has finished 0, 1, 2, 3, 4, 5"):
        write_export(run, record, "vmf", tmp_path / "out", replicate=6)
    record.arms["vmf"].replicates[0].key = "gone"
    with pytest.raises(InputError, match="no longer in"):
        write_export(run, record, "vmf", tmp_path / "out")
    for replicate in record.arms["vmf"].replicates:
        replicate.status = "diverged"
    with pytest.raises(InputError, match="no finished replicate"):
        write_export(run, record, "vmf", tmp_path / "out")
    assert continuing_arms(record) == ["mdn"] and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("file", "change", "sentence"),
    [
        ("weights.safetensors", lambda raw: raw[:-1] + b"x", "holds other weights"),
        ("predictor.json", lambda raw: raw.replace(b'"format": 1', b'"format": 9'), "has format 9"),
        ("predictor.json", lambda raw: raw.replace(b'"width"', b'"wide"'), "TypeError"),
        ("predictor.json", lambda raw: raw[:40], "is no JSON"),
        ("predictor.json", None, "is no exported predictor"),
    ],
)
def test_a_damaged_folder_is_a_sentence(exported, tmp_path, file, change, sentence):
    for each in (exported / "vmf").iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    if change is None:
        (tmp_path / file).unlink()
    else:
        raw = (tmp_path / file).read_bytes()
        assert change(raw) != raw
        (tmp_path / file).write_bytes(change(raw))
    with pytest.raises(InputError, match=sentence):
        load_predictor(tmp_path)


def test_feedback_and_temperature_may_differ_where_that_has_an_effect(run, exported):
    _, utterance, _ = own_clip(run, "vmf")
    vmf, mdn = load_predictor(exported / "vmf"), load_predictor(exported / "mdn")
    mean, again = (vmf.continue_latents(utterance, 5, seed=seed) for seed in (0, 1))
    assert np.array_equal(mean, again)
    warm, other, cold = (
        vmf.continue_latents(utterance, 5, seed=seed, feedback="sample", temperature=heat)
        for seed, heat in ((0, 1.0), (1, 1.0), (0, 0.01))
    )
    assert not np.array_equal(warm, other) and not np.array_equal(warm, cold)
    assert mdn.structure.feedback == "sample"
    with pytest.raises(InputError, match="feedback is 'men'; it must be one of"):
        vmf.continue_latents(utterance, 5, feedback="men")
    with pytest.raises(InputError, match="'mean', which draws nothing"):
        vmf.continue_latents(utterance, 5, temperature=0.9)
    with pytest.raises(InputError, match="temperature is -1"):
        mdn.continue_latents(utterance, 5, temperature=-1.0)


def test_a_context_that_does_not_suit_is_a_sentence(run, exported):
    _, utterance, _ = own_clip(run, "vmf")
    vmf = load_predictor(exported / "vmf")
    with pytest.raises(InputError, match="the context has 3 frames, and the vmf arm needs 4"):
        vmf.continue_latents(utterance[:3], 5)
    with pytest.raises(InputError, match="none of logmel"):
        vmf.continue_latents(utterance[:, :-1], 5)
    with pytest.raises(InputError, match="not finite"):
        vmf.continue_latents(np.full_like(utterance, np.nan), 5)


def test_weights_of_another_model_are_refused(exported, tmp_path):
    for each in (exported / "vmf").iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    save_file({"x": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match="holds other weights"):
        load_predictor(tmp_path)


def test_the_command_says_what_it_has_written(run, run_here, tmp_path):
    done = run_here("export.__main__", str(run), "--arm", "vmf", "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 0 and "weights.safetensors" in done.stdout
    assert load_predictor(tmp_path / "out").arm == "vmf"
    wrong = run_here("export.__main__", str(run), "--arm", "vmff", cwd=tmp_path)
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: ") and wrong.stderr.count("\n") == 1
