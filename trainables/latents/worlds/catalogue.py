"""Control worlds: latents with a known answer, written like any others, with the answer in their metadata.

Each world is a question to the whole path from Parquet to verdict:

* ``directional``: the direction is predictable at cosine 0.85, and hardly less 16 frames later; the magnitude
  is not. A sound path reaches the optimum; standing still or repeating a direction does not. It can be heard,
  see :class:`~trainables.latents.worlds.tones.Tones`.
* ``white``: nothing is predictable, and yet the best one-step cosine is 0.70, for ``delta = -z``.
* ``loud_white``: nothing is predictable either, but dimensions go together and frames are loud or quiet: who
  takes what a family knows of frames for what it has learnt from the past finds nats here that are not there.
* ``gaussian``: linear-Gaussian truth, where a Gaussian arm can be exact and the linear-Gaussian surrogate is
  the same process.
* ``smooth``: the past holds more information than in ``gaussian``, but the one-step cosine is less than a
  quarter of that of white noise.
* ``lorenz``: there is no noise at all, and yet nothing can be predicted for ever, because small errors grow.
* ``postures``: steps recur, 288 directions and no more, and a frame tells which of three comes next.
* ``postures_of_speakers``: each speaker has postures of their own, so that what recurs holds for nobody else.
* ``ring``: frames lie on a thin ring, and a model of it, which comes with the world, draws too much noise: a
  step along the score of frames takes it away.
* ``ring_quiet``: the same frames and a model with less noise than the truth has along the ring: the same step
  does harm.
* ``product``: all that is predictable are products of two coordinates, which no linear prediction sees.
* ``jumps``: frames hardly move, and now and then jump; a direction and a magnitude that know nothing of each
  other draw samples that leave the region of frames.
* ``homing``: every step leads home, by the very law that a von Mises-Fisher head assumes: samples are frames.
* ``kinds``: steps are of four kinds, each with a sound of its own, and frames lie at four places.
* ``kinds_unheard``: the same frames, and sound goes with the place: kinds of steps say nothing of it.
* ``bimodal``: every frame goes one of two ways, and none between them, where the mean is.
* ``heavy_tailed``: steps are mostly small, and now and then very large: who knows their variance expects too
  much of most. Of both the energy score that nobody can beat is known.
* ``pong``, ``breakout``, ``ms_pacman``, and each with ``-actions``: games played at random, and no audio.
  Their optimum is unknown.
"""

from __future__ import annotations

import json
from dataclasses import replace
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from trainables.errors import InputError
from trainables.latents.storage.dataset import LatentMeta, Split, Utterance, write_utterances
from trainables.latents.storage.parquet_file import PREFIX
from trainables.latents.worlds.atari import ATARI_FRAME_RATE as GAME_RATE
from trainables.latents.worlds.atari import Atari
from trainables.latents.worlds.base import World
from trainables.latents.worlds.directional import DIRECTIONAL
from trainables.latents.worlds.driven import Driven, Fork, HeavyTailed
from trainables.latents.worlds.homing import Homing
from trainables.latents.worlds.jumps import Jumps
from trainables.latents.worlds.kinds import Kinds
from trainables.latents.worlds.linear import RotatingAR
from trainables.latents.worlds.lorenz import Lorenz
from trainables.latents.worlds.loud_white import LoudWhite
from trainables.latents.worlds.postures import Postures, PosturesOfSpeakers
from trainables.latents.worlds.product import Product
from trainables.latents.worlds.ring import Ring
from trainables.latents.worlds.tones import Tones
from trainables.own_parts.registry import PartKind, is_own_part, load_part

_KINDS = Kinds(dim=16, count=4, hold=0.8, stride=1.5, spread=6.0, moves=0.03, noise=0.3, places_heard=False)
WORLDS: dict[str, World] = {
    "directional": DIRECTIONAL,
    "white": RotatingAR(dim=32, decay=0.0, angle=0.0, scale=1.0),
    "gaussian": RotatingAR(dim=32, decay=0.9, angle=0.3, scale=2.0),
    "smooth": RotatingAR(dim=32, decay=0.95, angle=0.0, scale=1.0),
    "loud_white": LoudWhite(dim=32, condition=100.0, spread=0.6, scale=1.0),
    "lorenz": Lorenz(dt=0.02),
    "postures": Postures(dim=64, count=96, successors=3, noise=0.25),
    "postures_of_speakers": PosturesOfSpeakers(dim=64, count=96, successors=3, noise=0.25),
    "ring": Ring(dim=16, radius=4.0, turn=0.3, drift=0.15, thickness=0.1, excess=0.5),
    "ring_quiet": Ring(dim=16, radius=4.0, turn=0.3, drift=0.15, thickness=0.1, excess=0.15),
    "product": Product(dim=32, products=8, share=0.8),
    "jumps": Jumps(dim=32, rate=0.4, stir=0.05),
    "homing": Homing(dim=8, cosine=0.7, step=1.0, spread=0.3),
    "kinds": _KINDS,
    "kinds_unheard": replace(_KINDS, places_heard=True),
    "bimodal": Fork(dim=4, decay=0.5, jump=1.0, noise=0.05),
    "heavy_tailed": HeavyTailed(dim=16, decay=0.5, scale=0.3, share=0.1, times=10.0),
    "pong": Atari("pong", actions=False),
    "pong-actions": Atari("pong", actions=True),
    "breakout": Atari("breakout", actions=False),
    "breakout-actions": Atari("breakout", actions=True),
    "ms_pacman": Atari("ms_pacman", actions=False),
    "ms_pacman-actions": Atari("ms_pacman", actions=True),
}
FRAME_RATE = 50.0  # Hz
HORIZON = 16  # rollout steps whose optimum is known
_SPEAKERS = {Split.TRAIN: 40, Split.VALIDATION: 10, Split.TEST: 10}
_UTTERANCES = 8  # of each speaker
_EPISODES = 2  # of each player of a game, because the emulator makes only a thousand frames a second
_FRAMES = (160, 240)  # shortest and longest utterance
_TRACKS = ("energy", "f0", "spectral_flux")


def write_world(name: str, out: Path, seed: int = 0) -> None:
    """Write the control world ``name`` into a folder, one Parquet file for each split.

    ``world`` in the metadata holds its name, parameters and ``optimum``, see
    :class:`~trainables.latents.worlds.base.Optimum`. Acoustic tracks are NaN where the world has no sound.

    Args:
        name: one of ``WORLDS``.
        out: the folder; is made.
        seed: chooses the utterances; neither the world nor its optimum depends on it.

    Raises:
        InputError: no world has that name, or it is a game and ale-py is not installed.
    """
    world = world_of(name)
    meta = _meta(name, world, seed)
    for number, (split, speakers) in enumerate(_SPEAKERS.items()):
        rng = np.random.default_rng([seed, number])
        write_utterances(Path(out) / f"{split}.parquet", _utterances(world, split, speakers, rng), meta)


def world_of(name: str) -> World:
    """The control world of that name, or the one that a user brings under it.

    Raises:
        InputError: there is none, or it lacks what a world has.
    """
    if name not in WORLDS and is_own_part(PartKind.WORLD, name):
        world = load_part(PartKind.WORLD, name)
        lacking = [part for part in ("dim", "simulate", "optimum", "parameters") if not hasattr(world, part)]
        if lacking or isinstance(world, type):
            raise InputError(
                f"control world {name!r} must be an object with dim, simulate, optimum and parameters, as "
                f"trainables.latents.worlds.base says; it is {type(world).__name__!r} and lacks "
                f"{', '.join(lacking) or 'being one: make an object of the class'}"
            )
        return world
    if name not in WORLDS:
        nearest = get_close_matches(name, WORLDS, n=1, cutoff=0.0)[0]
        raise InputError(
            f"unknown control world {name!r}; did you mean {nearest!r}? Worlds are {', '.join(WORLDS)}"
        )
    return WORLDS[name]


def _meta(name: str, world: World, seed: int) -> LatentMeta:
    optimum = world.optimum(HORIZON)
    truth: dict[str, Any] = {
        "name": name,
        "parameters": world.parameters(),
        "optimum": None if optimum is None else optimum.to_json(),
    }
    if isinstance(world, Driven):
        truth["energy_score"] = world.energy_score(HORIZON)
    kind = [name, world.parameters(), seed, _SPEAKERS, _utterances_each(world), _FRAMES]
    listing = json.dumps(kind, sort_keys=True)
    representation = f"{PREFIX}{name}"
    decoder = Tones if representation == Tones.name else None  # no other world can be heard
    return LatentMeta(
        representation=representation,
        dim=world.dim,
        frame_rate=GAME_RATE if isinstance(world, Atari) else FRAME_RATE,
        codec=None if decoder is None else decoder.name,
        codec_hash="" if decoder is None else decoder.hash,
        weights=None,
        corpus_hash=sha256(listing.encode()).hexdigest()[:16],
        lattice_step=None,
        world=truth,
    )


def _utterances_each(world: World) -> int:
    """Number of utterances of each speaker."""
    return _EPISODES if isinstance(world, Atari) else _UTTERANCES


def _paths(
    world: World, speakers: int, each: int, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Stretches [U, T, D] of the longest length, ``each`` of a speaker after the other, and their acoustic
    tracks [U, T] by name: NaN where the world has no sound.
    """
    if isinstance(world, Kinds):
        return world.sounding(speakers * each, _FRAMES[1], rng)
    if isinstance(world, PosturesOfSpeakers):
        own_paths = [world.speaker(own).simulate(each, _FRAMES[1], own) for own in rng.spawn(speakers)]
        paths = np.concatenate(own_paths)
    else:
        paths = world.simulate(speakers * each, _FRAMES[1], rng)
    return paths, dict.fromkeys(_TRACKS, np.full(paths.shape[:2], np.nan))


def _utterances(world: World, split: str, speakers: int, rng: np.random.Generator) -> list[Utterance]:
    """Utterances of as many speakers, which differ in length, as real ones do."""
    each = _utterances_each(world)
    lengths = rng.integers(_FRAMES[0], _FRAMES[1], speakers * each, endpoint=True)
    paths, tracks = _paths(world, speakers, each, rng)
    rows = []
    for i, length in enumerate(lengths):
        speaker = f"{split}-{i // each:02d}"
        rows.append(
            Utterance(
                utterance_id=f"{speaker}-{i % each}",
                speaker_id=speaker,
                split=split,
                latents=paths[i, :length],
                **{name: track[i, :length].astype(np.float32) for name, track in tracks.items()},
            )
        )
    return rows
