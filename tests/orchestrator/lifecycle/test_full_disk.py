"""A disk that is full at any moment: a sentence, nothing half-written, and afterwards the same verdict."""

import json
import os
import subprocess
import time

import pytest

from tests.orchestrator.noise_recordings import write_noise
from tests.orchestrator.tiny_world import command, start, sweep, write_latents

pytestmark = [pytest.mark.soak, pytest.mark.ray, pytest.mark.timeout(900)]
SWEEP = ("vmf_vs_mdn", "--smoke", "--no-ablation", "--latents", "latents")


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, which root alone can make."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(mounted)]
    if subprocess.run(line, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    yield mounted
    subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def fill(folder):
    """Take what room is left, as another program might, and goes on to."""
    with open(folder / "filler", "ab", buffering=0) as filler:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while filler.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The verdict and the estimates of a sweep that nothing disturbed, and how many lanes it finished."""
    cwd = tmp_path_factory.mktemp("calm")
    write_latents(cwd / "latents")
    done = sweep(*SWEEP, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return _numbers(cwd), _journal(cwd).count('"finished"')


def _numbers(cwd):
    (path,) = cwd.glob("runs/vmf_vs_mdn-*/verdict.json")
    record = json.loads(path.read_text())
    return record["verdict"], [c["estimate"] for c in record["criteria"]]


def _journal(cwd):
    return "".join(path.read_text() for path in cwd.glob("runs/vmf_vs_mdn-*/journal.jsonl"))


# What a journal says since the command was last begun, and in all, when the disk fills up.
MOMENTS = {
    "begin": lambda new, whole, lanes: '"opened"' in new,
    "explore": lambda new, whole, lanes: '"started"' in new,
    "confirm": lambda new, whole, lanes: '"sealed"' in new,
    "report": lambda new, whole, lanes: whole.count('"finished"') >= lanes,
}


def test_a_sweep_whose_disk_fills_up_again_and_again_says_so_and_goes_on_when_there_is_room(disk, calm):
    numbers, lanes = calm
    write_latents(disk / "latents")
    for moment, has_come in MOMENTS.items():
        before = len(_journal(disk))
        process = start("sweep", *SWEEP, *(["--resume"] if before else []), cwd=disk)
        while process.poll() is None:
            whole = _journal(disk)
            if has_come(whole[before:], whole, lanes):
                fill(disk)
            time.sleep(0.02)
        _, complaint = process.communicate()
        if process.returncode:
            assert process.returncode == 2 and "Traceback" not in complaint, (moment, complaint)
            said = [each.startswith("error: no room is left to write /") for each in complaint.splitlines()]
            assert said == [True], (moment, complaint)
        else:
            assert moment == "report"  # it came to its end before the disk was full
        assert not [path for path in disk.rglob("*.tmp") if "ray" not in path.parts], moment
        os.remove(disk / "filler")
    if process.returncode:
        done = sweep(*SWEEP, "--resume", cwd=disk)
        assert done.returncode == 0, done.stderr
    assert _numbers(disk) == numbers


def test_an_encoding_on_a_full_disk_ends_in_a_sentence_and_goes_on_when_there_is_room(disk, tmp_path):
    (tmp_path / "noise").mkdir()
    noise = write_noise(tmp_path / "noise", speakers=8, each=6, samples=16_000, rate=16_000)
    arguments = (str(noise), "--representation", "logmel", "--out", "latents")
    fill(disk)
    full = command("encode", *arguments, cwd=disk)
    assert full.returncode == 2 and "Traceback" not in full.stderr, full.stderr
    assert "error: no room is left to write " in full.stderr
    assert not list(disk.rglob("*.parquet")) and not list(disk.rglob("*.tmp"))
    os.remove(disk / "filler")
    assert command("encode", *arguments, cwd=disk).returncode == 0
    assert list(disk.glob("latents/*.parquet"))
