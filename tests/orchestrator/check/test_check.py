"""The check of what a user brings: what is sound passes, and what is not is named."""

import re
import sys

import pytest

from orchestrator.check import __main__ as check
from orchestrator.check.parts import examined
from tests.own_files import begin, user_folder, write
from trainables.errors import InputError
from trainables.own_parts.registry import PartKind, name_parts

BACKBONES = """import torch
from trainables.predictor.linear import Linear
from trainables.predictor.model.backbones import Backbone

class Sound(Backbone):
    def __init__(self, structure, dim):
        super().__init__()
        self.layer = Linear(dim, structure.width)

    def read(self, z_BTD, state=None):
        return self.layer(z_BTD), ()

class Ahead(Sound):
    def read(self, z_BTD, state=None):
        return self.layer(z_BTD + z_BTD.mean(1, keepdim=True)), ()
"""
OTHERS = """import numpy as np
import torch
from trainables.latents.worlds.catalogue import WORLDS

class World:
    dim = 3
    def simulate(self, utterances, frames, rng):
        return rng.normal(size=(utterances, frames, 3))
    def optimum(self, horizon):
        return None
    def parameters(self):
        return {}

class Stuck(World):
    def simulate(self, utterances, frames, rng):
        return np.ones((utterances, frames, 3))

world, stuck = World(), Stuck()

def sign_share(structure, window_BTD, measured, moments):
    true = window_BTD[:, structure.context :] - window_BTD[:, structure.context - 1 : -1]
    return (measured["direction"] * true > 0).double().mean(-1)

def ranked(structure, window_BTD, measured, moments):
    shares = sign_share(structure, window_BTD, measured, moments)
    return shares - shares.mean()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with user_folder(tmp_path_factory.mktemp("mine")) as here:
        begin(here, head="laplace_head", codec="mulaw_frames", study="my_question")
        head, codec = ((here / f"{name}.py").read_text() for name in ("laplace_head", "mulaw_frames"))
        write(
            here,
            wrong_head=head.replace("+ math.log(2)).sum", ").sum"),
            own_noise=head.replace("* _laplace_of(normal)", "* _laplace_of(torch.randn_like(normal))"),
            forgetful=codec.replace("noise_of(whole)", "np.random.default_rng()"),
            backbones=BACKBONES,
            others=OTHERS,
        )
        yield here


def found(name, kind=None):
    """What does not hold, by promise."""
    name_parts([name])
    return {promise: broken for promise, broken in examined(name, kind, None, {}) if broken}


def said(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["check", *arguments])
    with pytest.raises(SystemExit) as ended:
        check.main()
    return ended.value.code, capsys.readouterr().out


def test_what_there_is_to_begin_with_passes(folder, monkeypatch, capsys):
    for name in ("laplace_head:LaplaceHead", "mulaw_frames:MulawFrames", "my_question.py"):
        code, lines = said(monkeypatch, capsys, name)
        assert code == 0 and all(line.startswith("holds  ") for line in lines.splitlines()), lines


def test_a_density_that_is_none_is_named_with_its_integral(folder, monkeypatch, capsys):
    code, lines = said(monkeypatch, capsys, "wrong_head:LaplaceHead")
    (first,) = (line for line in lines.splitlines() if "integrates to 1 (raw)" in line)
    assert code == 3 and first.startswith("DOES NOT HOLD")
    assert float(re.search(r"Its density integrates to ([\d.]+) over the plane", first)[1]) > 3.99


@pytest.mark.parametrize(
    ("name", "kind", "promise"),
    [
        ("own_noise:LaplaceHead", None, "Samples are a differentiable function of their noise"),
        ("forgetful:MulawFrames", None, "The same audio gives the same latents"),
        ("backbones:Ahead", None, "A hidden state depends on its frame, and on no later one"),
        ("others:stuck", None, "The same source of random numbers gives the same frames, and another"),
        ("others:ranked", PartKind.METRIC, "The figures of a window depend on no other window"),
    ],
)
def test_what_is_unsound_is_named(folder, name, kind, promise):
    assert any(text.startswith(promise) for text in found(name, kind))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("backbones:Sound", None), ("others:world", None), ("others:sign_share", PartKind.METRIC)],
)
def test_what_is_sound_passes(folder, name, kind):
    assert found(name, kind) == {}


def test_what_a_function_is_has_to_be_said(folder):
    with pytest.raises(InputError, match="cannot be told from a function; say so with --as, as one of"):
        found("others:sign_share")
    with pytest.raises(InputError, match="'nobody' is no part that is installed"):
        found("nobody")
