"""The commands, a line each: ``python -m orchestrator``."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

# From audio to latents, from latents to a verdict, and what comes after it.
COMMANDS = (
    "encode",
    "represent",
    "derive",
    "diagnose",
    "sweep",
    "roadmap",
    "seal",
    "report",
    "judge",
    "listen",
    "generate",
    "export",
    "check",
    "new",
)
_WIDTH = 80


def overview() -> str:
    """Every command with the first sentence of its help."""
    lines = [
        textwrap.fill(
            _summary(name),
            _WIDTH,
            initial_indent=f"  {name:<11}",
            subsequent_indent=" " * 13,
        )
        for name in COMMANDS
    ]
    return "\n".join(
        [
            "python -m orchestrator.COMMAND, COMMAND being one of",
            "",
            *lines,
            "",
            "Each has --help, which ends with an example. `make demo` shows a whole study.",
        ]
    )


def _summary(name: str) -> str:
    """The first sentence of a command's docstring, read without importing what the command needs."""
    here = Path(__file__).parent
    file = here / name / "__main__.py" if (here / name).is_dir() else here / f"{name}.py"
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name in (name, f"{name}_results"):
            text = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
            return text.split("; ")[0].split(": ")[0].rstrip(".") + "."
    raise LookupError(f"{file} has no function {name}")


if __name__ == "__main__":
    print(overview())
