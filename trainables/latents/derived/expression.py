"""The language of derivations: "pca(32) of stack(4)" as the maps that it names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trainables.errors import InputError
from trainables.latents.derived.beta_vae import BetaVae
from trainables.latents.derived.bottleneck_settings import BottleneckSettings
from trainables.latents.derived.maps import Map, Pca, Pool, Stack, Whiten

_MAKERS = {"pca": Pca, "stack": Stack, "pool": Pool}
_LEAST = {"pca": 1, "stack": 2, "pool": 2, "beta-vae": 1}
KNOWN = "pca(K), whiten, stack(N), pool(N), beta-vae(K), and one of another: 'pca(32) of stack(4)'"
_CALL = re.compile(r"([a-z-]+)\((\d+)\)")


def parse(expression: str, settings: BottleneckSettings | None = None) -> list[Map]:
    """The maps of an expression, in the order in which they are applied, not fitted yet.

    Args:
        expression: maps joined by "of", the last to be applied first.
        settings: those of a beta-vae; None stands for the defaults.

    Raises:
        InputError: a part is unknown, or its number too small.
    """
    settings = settings or BottleneckSettings()
    return [_map(part.strip(), expression, settings) for part in reversed(re.split(r"\bof\b", expression))]


def derived_name(maps: Sequence[Map], base: str) -> str:
    """The name of the representation that ``maps`` make of ``base``: ``pca32(stack4(soundstream))``."""
    for step in maps:
        base = f"{step.name.replace('(', '').replace(')', '')}({base})"
    return base


def _map(part: str, expression: str, settings: BottleneckSettings) -> Map:
    if part == "whiten":
        return Whiten()
    call = _CALL.fullmatch(part)
    if call is None or call[1] not in _LEAST:
        raise InputError(f"--as {expression!r}: {part!r} is unknown (known: {KNOWN})")
    name, count = call[1], int(call[2])
    if count < _LEAST[name]:
        raise InputError(f"--as {expression!r}: {part} must have at least {_LEAST[name]} (known: {KNOWN})")
    return BetaVae(count, settings) if name == "beta-vae" else _MAKERS[name](count)
