"""What `make gpu` writes down, and that it says so where there is no GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import NO_DEVICE, RESULTS, TITLE, Outcome, section, with_section

ROOT = Path(__file__).parents[2]
OUTCOMES = [
    Outcome("pytest -m gpu", 0, 12.4, "\x1b[32m3 passed\x1b[0m\n"),
    Outcome("benchmarks.rollout", 1, 0.6, "```"),
]


def test_without_a_device_it_says_so_in_one_sentence_and_writes_nothing():
    before = RESULTS.read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu"],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", NO_DEVICE + "\n")
    assert RESULTS.read_bytes() == before


def test_a_section_has_the_device_and_what_every_step_printed():
    text = section("2026-11-29; H200; torch 2.9.1", OUTCOMES)
    assert text.startswith(f"{TITLE}\n\n2026-11-29; H200; torch 2.9.1.\n")
    assert "`python -m pytest -m gpu` (12 s):\n\n```\n3 passed\n```" in text
    assert "`python -m benchmarks.rollout` (1 s, failed with exit code 1):\n\n```\n'''\n```" in text


@pytest.mark.parametrize("rest", ["", "\n## Feeding\n\ntext\n"])
def test_a_second_run_takes_the_place_of_the_first(rest):
    first, second = section("one", OUTCOMES), section("two", OUTCOMES[:1])
    document = f"# Results\n\nintroduction\n\n{first}{rest}"
    assert with_section(document, second) == f"# Results\n\nintroduction\n\n{second}{rest}"


def test_the_first_run_goes_to_the_end():
    assert with_section("# Results\n\ntext\n", "S\n") == "# Results\n\ntext\n\nS\n"
