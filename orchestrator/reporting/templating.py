"""How pages are made of templates: everything is escaped, and a name that is not there is an error."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, folder: Path = TEMPLATES, **content: object) -> str:
    """The text of a template in ``folder``, filled in; includes are looked up beside it.

    Raises:
        jinja2.UndefinedError: the template asks for something that ``content`` does not hold.
    """
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(content)
