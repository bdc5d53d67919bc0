"""How pages are made of templates: everything is escaped, and a name that is not there is an error."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.reporting.glossary import term, with_tooltips

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, folder: Path = TEMPLATES, /, **content: object) -> str:
    """The text of a template in ``folder``, filled in; what it includes may lie in ``templates/`` here, too.

    Raises:
        jinja2.UndefinedError: the template asks for something that ``content`` does not hold.
    """
    return _environment(folder).get_template(template).render(content)


def sound_address(wav: str) -> Markup:
    """The address of a sound that lies within the page; ``wav`` is a WAV file in base64."""
    return Markup(f"data:audio/wav;base64,{wav}")


def picture_address(png: str) -> Markup:
    """The address of a picture that lies within the page; ``png`` is a PNG file in base64."""
    return Markup(f"data:image/png;base64,{png}")


@lru_cache
def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["term"] = term
    environment.filters["with_tooltips"] = with_tooltips
    return environment
