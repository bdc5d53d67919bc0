"""Parts of a user's: found by name, imported where the user has named them, and failing in one sentence."""

import importlib
import os
import sys

import pytest

from tests.own_files import begin, user_folder, write
from trainables.errors import InputError
from trainables.lane_config import LaneConfig, trainable
from trainables.latents.codec_registry import load_codec
from trainables.latents.worlds.catalogue import world_of
from trainables.own_parts.registry import (
    NAMED,
    PartKind,
    installed_parts,
    is_reference,
    load_part,
    name_parts,
)
from trainables.predictor.config import Structure
from trainables.predictor.heads import build_head
from trainables.predictor.model.backbones import build_backbone


@pytest.fixture
def folder(tmp_path):
    with user_folder(tmp_path) as here:
        yield here


def test_a_reference_is_a_module_and_an_attribute():
    assert all(map(is_reference, ("a:b", "pkg.heads:MyHead", "a.b:c.d")))
    assert not any(map(is_reference, ("", "vmf", "a:", ":b", "a:b:c", "control:x-y", "a b:c", None)))


def test_what_a_record_names_alone_is_not_run(folder):
    write(folder, harmful="open('ran', 'w').close()\n\nclass Codec: pass\n")
    for load in (
        lambda: load_codec("harmful:Codec", None),
        lambda: world_of("harmful:Codec"),
        lambda: trainable("harmful:Codec"),
        lambda: build_head(Structure(head="harmful:Codec"), 2),
        lambda: build_backbone(Structure(head="vmf", backbone="harmful:Codec"), 2),
    ):
        with pytest.raises(InputError, match=f"record alone, which runs no code; set {NAMED}=harmful:Codec"):
            load()
    LaneConfig.of({"head": "harmful:Codec"})  # settings can be read without it
    assert not (folder / "ran").exists() and "harmful" not in sys.modules
    name_parts(["harmful:Codec"])
    assert load_part(PartKind.CODEC, "harmful:Codec").__name__ == "Codec" and (folder / "ran").exists()
    assert os.environ[NAMED] == "harmful:Codec"  # for the processes that are started from here


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("class Head:\n    x = = 1\n", r"cannot be imported: .*broken\.py, line 2: SyntaxError: "),
        ("import nowhere_at_all\n", r"broken\.py, line 1: ModuleNotFoundError: No module named 'nowhere_at"),
        ("\n\nx = undefined\n", r"broken\.py, line 3: NameError: "),
        ("raise SystemExit(3)\n", r"broken\.py, line 1: SystemExit: 3"),
        ("x = 1\n", r"head 'broken:Head' is not there: .*broken\.py has no Head"),
        ("Head = 3\n", r"head 'broken:Head' is a int; it must be a class or a function"),
        ("def Head(structure, dim):\n    return 1 / 0\n", r"made: .*broken\.py, line 2: ZeroDivisionError"),
        (
            "def Head(structure, dim):\n    return 3\n",
            r"head 'broken:Head' makes a int; it must be a Head",
        ),
    ],
)
def test_what_fails_is_a_sentence_with_its_place(folder, text, sentence):
    write(folder, broken=text)
    name_parts(["broken:Head"])
    with pytest.raises(InputError, match=sentence) as error:
        build_head(Structure(head="broken:Head"), 2)
    assert "\n" not in str(error.value)


def test_an_installed_package_registers_parts_by_name(folder, monkeypatch):
    begin(folder, head="laplace_head", codec="mulaw_frames")
    packaged = folder / "mine-1.0.dist-info"
    packaged.mkdir()
    (packaged / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (packaged / "entry_points.txt").write_text(
        "[latent_verdict.heads]\nlaplace = laplace_head:LaplaceHead\nvmf = laplace_head:LaplaceHead\n"
        "[latent_verdict.codecs]\nmulaw = mulaw_frames:MulawFrames\n"
    )
    importlib.invalidate_caches()
    installed_parts.cache_clear()
    try:
        assert type(build_head(Structure(head="laplace"), 3).inner).__name__ == "LaplaceHead"
        codec = load_codec("mulaw", None)
        assert (codec.name, codec.dim, len(codec.hash)) == ("mulaw", 80, 16)
        assert LaneConfig.of({"head": "laplace"}).own_parts() == ["laplace_head:LaplaceHead"]
        # What this project has keeps its name.
        assert type(build_head(Structure(head="vmf"), 3).inner).__name__ == "VMFHead"
        assert LaneConfig.of({"head": "vmf"}).own_parts() == []
        assert not os.environ.get(NAMED)
    finally:
        monkeypatch.undo()
        installed_parts.cache_clear()


def test_an_unknown_name_says_how_to_name_ones_own():
    with pytest.raises(InputError, match=r"^head is 'vmff'; .*\(or your own, as module:attribute\)$"):
        LaneConfig.of({"head": "vmff"})
    with pytest.raises(InputError, match="^metrics is 'x'; it must be names of metrics of your own"):
        LaneConfig.of({"head": "vmf", "metrics": "x"})


def test_lanes_without_a_part_of_ones_own_keep_their_settings():
    assert "metrics" not in LaneConfig.of({"head": "vmf"}).with_defaults()
