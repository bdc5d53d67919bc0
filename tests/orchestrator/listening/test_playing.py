"""The page on which a run is heard with its arms named."""

import re

import pytest

from orchestrator.listening.panel import PANEL_FOLDER
from orchestrator.listening.playing import write_play_page
from tests.orchestrator.listening.listeners import GOOD, run_with_panel
from tests.orchestrator.synthetic_evidence import evidence
from trainables.errors import InputError


def test_every_clip_has_a_player_a_spectrogram_and_its_name(tmp_path):
    run, _ = run_with_panel(tmp_path, evidence(GOOD, codec="soundstream", exhibits=3))
    page = write_play_page(run)
    raw = page.read_text()
    assert page.parent.name == PANEL_FOLDER
    labels = re.findall(r"<label>(.*?)</label>", raw)
    assert labels == ["original", "codec reconstruction", "mdn", "vmf"] * 3
    assert raw.count("data:audio/wav;base64,") == raw.count("data:image/png;base64,iVBOR") == 12
    assert raw.count('class="cursor"') == 12 and raw.count("<svg") == 2
    assert "Nothing could be measured: " in raw, "the latents of that record are nowhere"
    assert not re.search(r"(src|href)=[\"'](?!data:|#)", raw)


def test_a_run_without_sound_is_a_sentence(tmp_path):
    run, _ = run_with_panel(tmp_path)
    with pytest.raises(InputError, match="has no exhibit"):
        write_play_page(run)
