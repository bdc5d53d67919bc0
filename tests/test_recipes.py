"""The recipes of CONTRIBUTING.md, carried out on a copy of the repository."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

import search_spaces

ROOT = Path(__file__).parents[1]
PACKAGES = ("orchestrator", "search_spaces", "trainables", "tests")
STEP = re.compile(r"<!-- recipe: (?P<what>.+?) -->\n```\w+\n(?P<text>.*?)```", re.DOTALL)
INSERT = re.compile(r"insert (?P<file>\S+) after `(?P<anchor>.+)`")


@dataclass(frozen=True)
class Recipe:
    """A section of CONTRIBUTING.md: edits of files, and the commands that show that they work."""

    title: str
    steps: tuple[tuple[str, str], ...]

    @property
    def files(self) -> list[str]:
        """Files that are made or edited."""
        return [what.split()[1] for what, _ in self.steps if what != "run"]


def recipes() -> list[Recipe]:
    sections = re.split(r"^## ", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)[1:]
    found = [Recipe(s.splitlines()[0], tuple(STEP.findall(s))) for s in sections]
    return [recipe for recipe in found if recipe.steps]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The repository, with two recordings where its tests look for real speech."""
    for seed, speaker in enumerate(("1688", "1998")):
        folder = tmp_path / "shared/data/librispeech-mini/test-other" / speaker
        folder.mkdir(parents=True)
        samples = np.random.default_rng(seed).normal(0, 0.1, 2 * 16_000)
        soundfile.write(folder / f"{speaker}-1-0000.flac", samples, 16_000)
    copied = tmp_path / "repository"
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copied / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copied)
    return copied


def carry_out(recipe: Recipe, copied: Path) -> str:
    """Apply a recipe's edits and run its commands; returns what they print."""
    printed = []
    for what, text in recipe.steps:
        kind, _, rest = what.partition(" ")
        if kind == "file":
            assert not (copied / rest).exists(), f"{rest} is there already"
            (copied / rest).write_text(text)
        elif kind == "insert":
            asked = INSERT.fullmatch(what)
            assert asked, f"cannot be read: {what}"
            file, anchor = copied / asked["file"], asked["anchor"] + "\n"
            before = file.read_text()
            assert before.count(anchor) == 1, f"{asked['file']} holds {before.count(anchor)} lines {anchor!r}"
            file.write_text(before.replace(anchor, anchor + text))
        else:
            printed += [run(line, copied) for line in text.splitlines()]
    return "\n".join(printed)


def run(line: str, copied: Path) -> str:
    words = shlex.split(line)
    assert words[0] == "python"
    environment = {**os.environ, "PYTHONPATH": str(copied), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *words[1:], *(["-p", "no:cacheprovider"] if "pytest" in words else [])],
        cwd=copied,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def test_every_recipe_has_edits_and_a_command() -> None:
    found = recipes()
    assert [recipe.title for recipe in found] == ["A study", "A head", "A codec", "A metric"]
    for recipe in found:
        kinds = [what.split()[0] for what, _ in recipe.steps]
        assert kinds[0] in ("file", "insert") and kinds[-1] == "run", recipe.title


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.title)
def test_a_recipe_works_as_it_stands(recipe: Recipe, copy: Path) -> None:
    printed = carry_out(recipe, copy)
    ends = re.findall(r"^(?=.*passed)(.+) in [\d.]+s", printed, re.MULTILINE)  # of each pytest
    assert ends and set(re.findall(r"[a-z]+", " ".join(ends))) <= {"passed", "deselected"}, printed
    if recipe.title == "A study":
        assert set(search_spaces.names()) | {"cool_sampling"} <= set(printed.split())
        assert "8 configurations per arm" in printed and "million training frames" in printed
    for check in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        run(shlex.join(["python", "-m", "ruff", *check, *recipe.files]), copy)


def test_a_recipe_whose_place_is_gone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(AssertionError, match="holds 0 lines"):
        carry_out(Recipe("gone", (("insert a.py after `y = 2`", "z = 3\n"),)), tmp_path)
