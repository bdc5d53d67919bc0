"""README, CONTRIBUTING and docs/ against what is there: commands, links, paths, and the map."""

import importlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from orchestrator.__main__ import COMMANDS, overview
from orchestrator.runtime.cli import application

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"(?:<!-- (?P<mark>[^>]+?) -->\n)?```sh\n(?P<text>.*?)```", re.DOTALL)
NEEDS = {"real speech", "cluster", "an hour"}
# Commands that a test here carries out, as they stand in the text.
QUICK = {
    "python -m orchestrator.sweep --list",
    "python -m orchestrator.sweep vmf_vs_mdn --dry-run",
    "python -m orchestrator.roadmap --plan",
    "python -m orchestrator.seal vmf_vs_mdn",
}
MODULES = {
    name: f"orchestrator.{name}" + ".__main__" * (ROOT / "orchestrator" / name).is_dir() for name in COMMANDS
}


@dataclass(frozen=True)
class Block:
    """Commands of one fenced block, with the mark above it."""

    page: str
    mark: str
    lines: tuple[str, ...]


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        for match in BLOCK.finditer(page.read_text()):
            text = match["text"].replace("\\\n", " ")
            lines = (line.split("   #")[0].strip() for line in text.splitlines())
            found.append(Block(page.name, match["mark"] or "", tuple(filter(None, lines))))
    return found


def command_function(name: str) -> tuple[ModuleType, Callable[..., Any]]:
    """The module of a command, and the function that is the command."""
    module = importlib.import_module(MODULES[name])
    return module, getattr(module, name, None) or getattr(module, f"{name}_results")


def command_of(name: str) -> typer.core.TyperCommand:
    module, function = command_function(name)
    subcommands = getattr(module, "SUBCOMMANDS", None)
    return typer.main.get_command(application(function, module.EXAMPLE, "", subcommands))


def parameters(name: str) -> list[typer.core.TyperOption | typer.core.TyperArgument]:
    """Arguments and options of a command, and of those that it has below it."""
    command = command_of(name)
    return [p for each in (command, *getattr(command, "commands", {}).values()) for p in each.params]


def commands() -> list[str]:
    """Every `python -m` in the text: lines of blocks, what they have other machines do, and inline ones."""
    found = [line for page in PAGES for line in re.findall(r"`(python -m [^`]+)`", page.read_text())]
    for line in (line for block in blocks() for line in block.lines if "python -m " in line):
        remote = [] if line.startswith("python -m ") else shlex.split(line)
        found += [part.strip() for word in remote or [line] for part in word.split("&&")]
    return [line for line in found if line.startswith("python -m ")]


def parse(line: str) -> None:
    """Read a command's arguments as it would, and do nothing; of other modules, find them."""
    program, dash, module, *arguments = shlex.split(line)
    assert (program, dash) == ("python", "-m")
    name = module.removeprefix("orchestrator.")
    if name in COMMANDS:
        command = command_of(name)
        command.make_context(module, list(arguments), resilient_parsing=False)
        if arguments and (subcommands := getattr(command, "commands", {})):
            subcommands[arguments[0]].make_context(module, arguments[1:], resilient_parsing=False)
    else:
        assert importlib.util.find_spec(module), f"there is no module {module}"


def test_every_block_of_commands_is_run_or_says_what_it_needs() -> None:
    found = blocks()
    assert len(found) > 10
    for block in found:
        if block.mark.startswith("recipe: "):
            continue  # tests/test_recipes.py carries it out
        if block.mark:
            assert block.mark.removeprefix("needs: ") in NEEDS, (block.page, block.mark)
            continue
        for line in block.lines:
            assert line in QUICK or re.fullmatch(r"make \w+", line), f"{block.page}: {line}"


def test_every_command_in_the_text_is_one_that_is_understood() -> None:
    lines = commands()
    assert len(lines) > 24 and sum("--address auto" in line for line in lines) == 5
    for line in lines:
        parse(line)
    with pytest.raises(Exception, match="No such option"):
        parse("python -m orchestrator.sweep vmf_vs_mdn --latnets x")


def test_every_option_in_the_text_is_one_of_a_command() -> None:
    known = {"--help"}.union(*(p.opts + p.secondary_opts for n in COMMANDS for p in parameters(n)))
    named = {
        option
        for page in PAGES
        for code in re.findall(r"`(--[^`]+)`", page.read_text())
        for option in re.findall(r"--[a-z-]+", code)
    }
    assert {"--resume", "--no-heads", "--price"} <= named <= known


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("line", sorted(QUICK))
def test_a_quick_command_does_what_the_text_says(line: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *shlex.split(line)[1:]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "vmf_vs_mdn" in done.stdout


def test_every_make_target_in_the_text_is_there() -> None:
    rules = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    inline = {target for page in PAGES for target in re.findall(r"`make ([\w-]+)", page.read_text())}
    fenced = {line.split()[1] for block in blocks() for line in block.lines if line.startswith("make ")}
    assert {"demo", "test", "quick", "lint"} <= inline | fenced <= rules
    for target in sorted(inline | fenced):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout, done.stderr


def test_links_lead_somewhere() -> None:
    links = [(page, link) for page in PAGES for link in re.findall(r"\]\(([^)]+)\)", page.read_text())]
    assert len(links) > 8
    for page, link in links:
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not heading or heading in headings(target), f"{page.name}: {link}"


def headings(page: Path) -> set[str]:
    """The anchors of a page: its headings in small letters, with dashes for spaces."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_paths_in_the_text_are_there() -> None:
    path = re.compile(r"`((?:orchestrator|trainables|search_spaces|tests|benchmarks|docs)/[\w/.-]+)`")
    made = set(re.findall(r"recipe: file (\S+) -->", (ROOT / "CONTRIBUTING.md").read_text()))
    named = {(page.name, name) for page in PAGES for name in path.findall(page.read_text())}
    assert len(named) > 20
    for page, name in named:
        assert name in made or (ROOT / name).exists(), f"{page}: {name}"


def test_modules_and_loose_files_in_the_text_are_there() -> None:
    tops = ("orchestrator", "trainables", "search_spaces", "tests", "benchmarks")
    files = {path.name for top in tops for path in (ROOT / top).rglob("*.py")}
    files |= {path.name for path in ROOT.iterdir()}
    for page in PAGES:
        text = page.read_text()
        for name in re.findall(r"`([\w.-]+\.(?:py|toml|yaml|cff))`", text):
            assert name in files, f"{page.name}: {name}"
        for module, attribute in re.findall(r"`((?:orchestrator|trainables)(?:\.[a-z_]+)+)\.?(\w*)`", text):
            found = importlib.import_module(module)
            assert not attribute or hasattr(found, attribute), f"{page.name}: {module}.{attribute}"


def test_the_map_names_every_room_and_no_other() -> None:
    (text,) = re.findall(r"## The map.*?```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    here: list[str] = []
    mapped: set[str] = set()
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = re.split(r"\s{2,}", line.strip())[0].split()
        assert all(name.endswith("/") or "." in name for name in names), line
        for name in names:
            here = [*here[:depth], name.rstrip("/")]
            mapped.add("/".join(here))
    for name in mapped:
        assert (ROOT / name).exists(), f"{name} is on the map and nowhere else"
    for top in ("orchestrator", "trainables", "search_spaces"):
        rooms = {path.parent.relative_to(ROOT) for path in (ROOT / top).rglob("__init__.py")}
        for room in rooms:
            assert str(room) in mapped, f"{room} is not on the map"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 250


def test_the_overview_has_a_line_of_each_command() -> None:
    lines = overview().splitlines()
    assert all(len(line) <= 80 for line in lines)
    for name in COMMANDS:
        assert any(re.match(rf"  {name} +[A-Z]\w+ ", line) for line in lines), name


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_an_example_that_is_understood(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    command = command_of(name)
    context = command.make_context(f"python -m orchestrator.{name}", [], resilient_parsing=True)
    shown = command.get_help(context)
    example = importlib.import_module(MODULES[name]).EXAMPLE
    assert shown.rstrip().endswith(example)
    assert all(len(line) <= 80 for line in shown.splitlines())
    parse(example)
    for parameter in parameters(name):
        text = getattr(parameter, "help", None) or ""
        assert text[:1].isupper() and text.endswith("."), f"{parameter.name}: {text!r}"


def test_the_citation_has_what_a_citation_needs() -> None:
    import yaml

    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert cited["license"] == "Apache-2.0" and "Apache License" in (ROOT / "LICENSE").read_text()


def test_the_changelog_begins_with_what_is_newest() -> None:
    entries = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert entries[0] == "Unreleased"
    dates = [entry.rstrip(",") for entry in entries[1:]]
    assert dates == sorted(dates, reverse=True)
