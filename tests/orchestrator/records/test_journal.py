"""The journal survives being cut off anywhere, and knows which run may be continued."""

import json
import subprocess
import sys

import pytest

from orchestrator.records.code_versions import code_version, full_version
from orchestrator.records.journal import Journal
from orchestrator.records.run_folders import unfinished_run
from trainables.errors import InputError

ARGUMENTS = {"study": "toy", "trials": 4}


def planned(folder, data="d1", code="c1", arguments=ARGUMENTS):
    journal = Journal(folder)
    journal.append("planned", arguments=arguments, data_hash=data, code=code)
    return journal


def test_events_come_back_in_order(tmp_path):
    journal = Journal(tmp_path)
    journal.append("planned", arguments={})
    journal.append("finished", key="k1", objective=0.5)
    journal.append("finished", key="k2", objective=None)
    assert [e["event"] for e in Journal(tmp_path).events()] == ["planned", "finished", "finished"]
    assert [e["objective"] for e in journal.events("finished")] == [0.5, None]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_is_passed_over_and_the_next_event_is_whole(tmp_path, cut):
    journal = Journal(tmp_path)
    for key in ("k1", "k2"):
        journal.append("finished", key=key, objective=1.0)
    journal.path.write_bytes(journal.path.read_bytes()[:-cut])
    keys = [e["key"] for e in journal.events()]
    assert keys == ["k1"] or (cut == 1 and keys == ["k1", "k2"])
    journal.append("finished", key="k3", objective=2.0)
    assert journal.events()[-1]["key"] == "k3" and len(journal.events()) == len(keys) + 1


def test_two_processes_cannot_work_in_one_run(tmp_path):
    hold = (
        "import sys, time; from pathlib import Path; from orchestrator.records.journal import Journal;"
        "h = Journal(Path(sys.argv[1])).held(); h.__enter__(); print('held', flush=True); time.sleep(60)"
    )
    Journal(tmp_path)
    other = subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="another process is at work"), Journal(tmp_path).held():
        pass
    other.kill()
    other.communicate()
    with Journal(tmp_path).held():  # a killed process lets go
        pass


def test_a_number_that_is_not_one_never_reaches_the_journal(tmp_path):
    with pytest.raises(ValueError):
        Journal(tmp_path).append("finished", objective=float("nan"))


def test_the_code_version_is_stable_and_that_of_a_verdict_covers_more():
    assert code_version() == code_version() != full_version()
    assert len(code_version()) == len(full_version()) == 24


def test_resume_picks_the_newest_unfinished_run_of_the_same_arguments(tmp_path):
    planned(tmp_path / "toy-20260101-000000")
    planned(tmp_path / "toy-20260102-000000")
    planned(tmp_path / "toy-20260103-000000").append("judged", verdict="GO")
    planned(tmp_path / "toy-20260104-000000", arguments={**ARGUMENTS, "trials": 5})
    assert unfinished_run(tmp_path, ARGUMENTS, "d1", "c1").name == "toy-20260102-000000"


@pytest.mark.parametrize(("data", "code", "what"), [("d2", "c1", "data"), ("d1", "c2", "code")])
def test_resume_refuses_to_mix_two_experiments(tmp_path, data, code, what):
    planned(tmp_path / "toy-20260101-000000")
    with pytest.raises(InputError, match=f"its {what} was .1 and is .2 now"):
        unfinished_run(tmp_path, ARGUMENTS, data, code)


def test_resume_says_that_a_declaration_has_changed(tmp_path):
    planned(tmp_path / "toy-20260101-000000", arguments={**ARGUMENTS, "settings": "s1"})
    with pytest.raises(InputError, match="its choice of settings was s1 and is s2 now"):
        unfinished_run(tmp_path, {**ARGUMENTS, "settings": "s2"}, "d1", "c1")
    with pytest.raises(InputError, match="found no unfinished run"):
        unfinished_run(tmp_path, {**ARGUMENTS, "settings": "s1", "trials": 5}, "d1", "c1")


def test_a_sealed_run_goes_on_whatever_has_changed_so_that_its_verdict_can_say_so(tmp_path):
    planned(tmp_path / "toy-20260101-000000").append("sealed", seal_hash="s", seal={})
    assert unfinished_run(tmp_path, ARGUMENTS, "d2", "c2").name == "toy-20260101-000000"


def test_a_sealed_run_on_other_latents_or_of_another_seed_is_not_the_one(tmp_path):
    for name, more in (("toy-20260103-000000", {"data": "b"}), ("toy-20260102-000000", {"data": "a"})):
        journal = Journal(tmp_path / name)
        journal.append("planned", arguments=ARGUMENTS, data_hash="d1", code="c1", **more)
        journal.append("sealed", seal_hash="s", seal={})
    assert unfinished_run(tmp_path, ARGUMENTS, "d2", "c1", "a").name == "toy-20260102-000000"
    with pytest.raises(InputError, match="found no unfinished run"):
        unfinished_run(tmp_path, {**ARGUMENTS, "seed": 9}, "d1", "c1", "a")
    changed = {**ARGUMENTS, "settings": "others"}
    assert unfinished_run(tmp_path, changed, "d1", "c1", "a").name == "toy-20260102-000000"


def test_an_inadmissible_verdict_can_be_mended_and_asked_for_again(tmp_path):
    journal = planned(tmp_path / "toy-20260101-000000")
    journal.append("judged", verdict="INADMISSIBLE")
    assert unfinished_run(tmp_path, ARGUMENTS, "d1", "c1") == journal.folder
    journal.append("judged", verdict="GO")
    with pytest.raises(InputError, match="found no unfinished run"):
        unfinished_run(tmp_path, ARGUMENTS, "d1", "c1")


def test_nothing_to_resume_is_said(tmp_path):
    with pytest.raises(InputError, match="--resume found no unfinished run of study 'toy'"):
        unfinished_run(tmp_path, ARGUMENTS, "d1", "c1")


def test_every_line_is_json(tmp_path):
    journal = planned(tmp_path)
    journal.append("started", configs=[{"learning_rate": 1e-3}])
    assert all(json.loads(line) for line in journal.path.read_text().splitlines())
