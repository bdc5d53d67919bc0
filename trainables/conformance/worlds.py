"""What every control world keeps: frames of the asked size, from the numbers it is given, and an optimum."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from trainables.conformance.promises import Promise
from trainables.latents.worlds.base import Optimum, World

_UTTERANCES, _FRAMES, _HORIZON = 5, 40, 16


def _paths(world: World, seed: int = 0) -> np.ndarray:
    return world.simulate(_UTTERANCES, _FRAMES, np.random.default_rng(seed))


def simulates(world: World) -> Iterator[str]:
    """It simulates as many frames as are asked for, finite even as float16."""
    expected, paths = (_UTTERANCES, _FRAMES, world.dim), _paths(world)
    if paths.shape != expected:
        yield f"simulate gives {paths.shape}; it must give {expected}"
    elif not np.isfinite(paths.astype(np.float16)).all():
        yield "a frame is not finite, or not once it is stored as float16"


def is_drawn_from_what_it_is_given(world: World) -> Iterator[str]:
    """The same source of random numbers gives the same frames, and another one others."""
    if not np.array_equal(_paths(world), _paths(world)):
        yield "the same source of random numbers gives other frames the second time"
    if np.array_equal(_paths(world), _paths(world, 1)):
        yield "the frames do not depend on the source of random numbers"


def knows_its_optimum(world: World) -> Iterator[str]:
    """Its optimum has a value for every step of a rollout, or it says that nobody knows one."""
    optimum: object = world.optimum(_HORIZON)
    if optimum is None:
        return
    if not isinstance(optimum, Optimum):
        yield f"optimum gives a {type(optimum).__name__}; it must give an Optimum or None"
    elif {len(optimum.cos), len(optimum.magnitude_ratio)} != {_HORIZON}:
        yield f"its optimum has {len(optimum.cos)} cosines for a rollout of {_HORIZON} steps"


def can_be_written_down(world: World) -> Iterator[str]:
    """Its parameters can be written down as JSON."""
    try:
        json.dumps(world.parameters())
    except (TypeError, ValueError) as error:
        yield f"its parameters cannot be written down: {error}"


WORLD_PROMISES: tuple[Promise, ...] = (
    simulates,
    is_drawn_from_what_it_is_given,
    knows_its_optimum,
    can_be_written_down,
)
