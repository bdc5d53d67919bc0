"""Packs as text, and the speakers that a phase is judged on."""

import json

import pytest

from orchestrator.planning.pack import Pack, cut
from orchestrator.records.phase import Phase
from trainables.lane_config import LaneConfig
from trainables.latents.storage.dataset import Split

SETTINGS = [{"head": "vmf", "learning_rate": 0.01, "seed": seed} for seed in range(5)]
PACK = Pack(Phase.CONFIRM, "vmf", 2, (0, 1, 2, 3, 4), tuple(map(LaneConfig.of, SETTINGS)))


def test_a_pack_comes_back_from_its_text_with_its_types() -> None:
    again = Pack.from_json(PACK.to_json())
    assert again == PACK and again.phase is Phase.CONFIRM and again.fingerprint == PACK.fingerprint
    assert json.loads(PACK.to_json()) == ["confirm", "vmf", 2, [0, 1, 2, 3, 4], SETTINGS]
    assert PACK.name == "confirm-vmf-2"


@pytest.mark.parametrize(("parts", "sizes"), [(1, [5]), (2, [2, 3]), (9, [1] * 5)])
def test_a_cut_pack_keeps_every_lane_once(parts: int, sizes: list[int]) -> None:
    pieces = cut(PACK, parts)
    assert [len(piece.configs) for piece in pieces] == sizes
    assert [config for piece in pieces for config in piece.configs] == list(PACK.configs)
    assert [piece.number for piece in pieces] == list(range(2, 2 + len(sizes)))


def test_exploration_and_its_second_seeds_alone_are_judged_on_validation_speakers() -> None:
    assert [phase.judged_on for phase in Phase] == [
        Split.VALIDATION,
        Split.VALIDATION,
        Split.TEST,
        Split.TEST,
    ]
