"""Parts of a user's, each examined by the promises of its kind."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainables.conformance.backbones import BACKBONE_PROMISES
from trainables.conformance.codecs import CODEC_PROMISES, CodecCase, made_sounds
from trainables.conformance.heads import HEAD_PROMISES, HeadCase
from trainables.conformance.metrics import METRIC_PROMISES
from trainables.conformance.promises import Promise, broken, promised
from trainables.conformance.trainables import TRAINABLE_PROMISES, TrainableCase
from trainables.conformance.worlds import WORLD_PROMISES
from trainables.contract import Trainable
from trainables.errors import InputError
from trainables.latents.codec_registry import load_codec
from trainables.latents.worlds.catalogue import world_of
from trainables.own_parts.registry import PartKind, installed_parts, is_reference, load_part
from trainables.predictor.config import COORDINATES
from trainables.predictor.heads import Head, build_head
from trainables.predictor.model.backbones import Backbone


def examined(
    name: str, kind: PartKind | None, weights: str | None, settings: Mapping[str, Any]
) -> Iterator[tuple[str, list[str]]]:
    """Every promise of a part's kind, in words, with a sentence for each thing that does not hold.

    Args:
        name: of the part, as ``module:attribute`` or of an entry point.
        kind: of the part; None where it is to be told from what the part is.
        weights: of a codec.
        settings: of a head or a trainable, in place of their defaults.

    Raises:
        InputError: there is no such part, it cannot be made, or its kind cannot be told.
    """
    kind = kind or _kind(name)
    load_part(kind, name)
    for promises, case in _cases(name, kind, weights, settings):
        where = f" ({case.settings['coordinates']})" if isinstance(case, HeadCase) else ""
        for promise in promises:
            yield f"{promised(promise).rstrip('.')}{where}.", broken(promise, case)


def _cases(
    name: str, kind: PartKind, weights: str | None, settings: Mapping[str, Any]
) -> Iterator[tuple[Sequence[Promise], Any]]:
    match kind:
        case PartKind.HEAD:
            for coordinates in reversed(COORDINATES):  # its own first, then whitened ones
                case = HeadCase({**settings, "head": name, "coordinates": coordinates})
                build_head(case.structure, 2)  # what cannot be made is one sentence
                yield HEAD_PROMISES, case
        case PartKind.BACKBONE:
            yield BACKBONE_PROMISES, name
        case PartKind.CODEC:
            codec = load_codec(name, weights)
            sounds = made_sounds(codec.sample_rate)
            yield CODEC_PROMISES, CodecCase(codec, lambda: load_codec(name, weights), sounds)
        case PartKind.TRAINABLE:
            yield TRAINABLE_PROMISES, TrainableCase(name, settings)
        case PartKind.WORLD:
            yield WORLD_PROMISES, world_of(name)
        case PartKind.METRIC:
            yield METRIC_PROMISES, name


def _kind(name: str) -> PartKind:
    """What a part is, told from its group of entry points or from what it has."""
    if not is_reference(name):
        groups = [kind for kind in PartKind if name in installed_parts(kind)]
        if len(groups) != 1:
            found = f"is installed as {' and as '.join(groups)}" if groups else "is no part that is installed"
            raise InputError(f"{name!r} {found}; name it as module:attribute, or say what it is with --as")
        return groups[0]
    part = load_part(PartKind.HEAD, name)
    is_class = inspect.isclass(part)
    for kind, holds in (
        (PartKind.TRAINABLE, isinstance(part, Trainable)),
        (PartKind.HEAD, is_class and issubclass(part, Head)),
        (PartKind.BACKBONE, is_class and issubclass(part, Backbone)),
        (PartKind.CODEC, hasattr(part, "encode") and hasattr(part, "decode")),
        (PartKind.WORLD, hasattr(part, "simulate")),
    ):
        if holds:
            return kind
    raise InputError(
        f"what {name!r} is cannot be told from a {type(part).__name__}; say so with --as, as one of "
        f"{', '.join(PartKind)}"
    )
