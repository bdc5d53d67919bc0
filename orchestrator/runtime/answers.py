"""What a command answers to a program: with ``--json`` one object on standard output, and nothing else."""

from __future__ import annotations

import inspect
import json
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Annotated, Any, Literal, TextIO, Union, get_args, get_origin, get_type_hints, is_typeddict

import typer

from orchestrator.runtime.exit_codes import ExitCode

JSON_PARAMETER = "json_answer"
_JSON_OPTION = Annotated[
    bool, typer.Option("--json", help="Print one JSON object; what else is said goes to standard error.")
]
_answered: list[str] = []
_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


class Ended(typer.Exit):
    """The end of a command with an exit code of its own, and yet an answer."""

    def __init__(self, code: ExitCode, answer: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.answer = answer


def with_json_option(command: Callable[..., Any], wrapper: Callable[..., None]) -> None:
    """Give the wrapper of a command its signature, and the option ``--json`` beside."""
    signature = inspect.signature(command, eval_str=True)
    option = inspect.Parameter(
        JSON_PARAMETER, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_JSON_OPTION
    )
    parameters = [*signature.parameters.values(), option]
    hints = get_type_hints(command, include_extras=True)
    wrapper.__annotations__ = {**hints, JSON_PARAMETER: _JSON_OPTION, "return": None}
    wrapper.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=None
    )


@contextmanager
def said_elsewhere(as_json: bool) -> Iterator[TextIO]:
    """Within the block, what is printed goes to standard error where the answer is JSON; gives its stream."""
    out = sys.stdout
    if not as_json:
        yield out
        return
    with redirect_stdout(sys.stderr):
        yield out


def print_answer(out: TextIO, command: str, code: int, error: str | None, answer: object) -> None:
    """Print the one object that a program gets."""
    content = {"command": command, "exit_code": int(code), "error": error, "result": answer}
    out.write(json.dumps(content, ensure_ascii=False, allow_nan=False, default=str) + "\n")
    out.flush()
    _answered.append(command)


def was_answered() -> bool:
    """Whether an answer has been printed in this process."""
    return bool(_answered)


def code_of(answer: object) -> ExitCode:
    """The exit code of a command that gave this answer: 3 where it is an INADMISSIBLE verdict."""
    verdict = answer.get("verdict") if isinstance(answer, Mapping) else None
    return ExitCode.INADMISSIBLE if verdict == "INADMISSIBLE" else ExitCode.DONE


def answer_schema(name: str, command: Callable[..., Any]) -> dict[str, Any]:
    """The JSON schema of what a command prints with ``--json``, from the type that it returns."""
    returned = get_type_hints(command).get("return", type(None))
    result = schema_of(returned if returned is type(None) else returned | None)
    properties = {
        "command": {"const": name},
        "exit_code": {"enum": [int(code) for code in ExitCode]},
        "error": {"type": ["string", "null"]},
        "result": result,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"python -m orchestrator.{name} --json",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def schema_of(kind: Any) -> dict[str, Any]:
    """The JSON schema of a type: plain ones, lists, mappings from text, unions, and typed dictionaries."""
    if kind is Any:
        return {}
    if kind in _SIMPLE:
        return {"type": _SIMPLE[kind]}
    if is_typeddict(kind):
        properties = {name: schema_of(hint) for name, hint in get_type_hints(kind).items()}
        described = {"description": " ".join(kind.__doc__.split())} if kind.__doc__ else {}
        closed = {"required": sorted(kind.__required_keys__), "additionalProperties": False}
        return {"type": "object", **described, "properties": properties, **closed}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(each) for each in arguments]}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if origin is Literal:
        return {"enum": list(arguments)}
    raise TypeError(f"{kind} has no JSON schema")
