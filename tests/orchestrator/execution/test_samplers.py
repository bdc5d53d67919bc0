"""TPE in a search: what it draws is what Optuna's own draws, and how long it takes has a limit."""

import math
import random
from dataclasses import replace

import optuna
import pytest
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import TrialState

from orchestrator.execution.samplers import (
    GivenSampler,
    OneSpaceSampler,
    best_and_newest,
    distribution,
    sampler_settings,
)
from orchestrator.execution.search import NO_RESULT, ArmSearch
from orchestrator.planning.plan import make_plan, with_devices
from orchestrator.records.draws import DRAWN, JournalledDraws, NoDraws
from orchestrator.records.journal import Journal
from search_spaces import load

STUDY = load("vmf_vs_mdn")
ARM = STUDY.arms[1]
SPACE = {name: distribution(domain) for name, domain in make_plan(STUDY).space(ARM).items()}


def value(settings):
    return -abs(math.log(settings["learning_rate"] / 0.01))


def filled(count, failed=()):
    """A study of so many finished trials, drawn at random."""
    study = optuna.create_study(direction="maximize", sampler=RandomSampler(seed=1))
    for number in range(count):
        trial = study.ask(SPACE)
        if number in failed:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, value(trial.params) + 0.1 * random.Random(number).random())
    return study


def test_the_space_that_all_trials_share_gives_the_draws_of_optunas_own_search_for_it():
    plan = make_plan(STUDY, trials=40)
    draws = []
    for sampler in (OneSpaceSampler(SPACE, plan, 5), TPESampler(**sampler_settings(plan), seed=5)):
        study = filled(30)
        study.sampler = sampler
        draws.append([study.ask(SPACE).params for _ in range(6)])
    assert draws[0] == draws[1]
    assert len({str(params) for params in draws[0]}) == 6


def test_a_study_of_up_to_five_hundred_trials_is_left_as_it_is():
    study = filled(500)
    assert best_and_newest(study) is study


def test_beyond_them_the_best_and_the_newest_are_kept_in_their_order():
    study = filled(501, failed=range(490, 495))
    kept = best_and_newest(study).trials
    before = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    best = sorted(range(len(before)), key=lambda place: before[place].value, reverse=True)[:25]
    wanted = sorted({*best, *range(len(before) - 225, len(before))})
    assert [trial.params for trial in kept] == [before[place].params for place in wanted]
    assert [trial.value for trial in kept] == [before[place].value for place in wanted]


def test_what_is_given_is_drawn():
    study = filled(3)
    wanted = filled(1).trials[0].params
    study.sampler = GivenSampler(SPACE, wanted)
    assert study.ask(SPACE).params == wanted


def _explore(plan, draws, known=lambda pack, position: NO_RESULT, packs=None):
    """The lanes of an arm's search, by index, or of its first packs."""
    search, lanes, taken = ArmSearch(plan, ARM, known, draws), {}, 0
    while taken != packs and (pack := search.take()) is not None:
        lanes |= dict(zip(pack.indexes, pack.configs, strict=True))
        search.put(pack, [value(dict(config.settings)) for config in pack.configs])
        taken += 1
    return lanes


@pytest.mark.parametrize("stop_after", [3, 9])
def test_a_search_that_goes_on_repeats_its_draws_from_the_journal(tmp_path, stop_after):
    plan = with_devices(replace(make_plan(STUDY, trials=24), repeats=2), 4)
    undisturbed = _explore(plan, JournalledDraws(Journal(tmp_path / "whole"), ARM.name))
    journal = Journal(tmp_path / "cut")
    before = _explore(plan, JournalledDraws(journal, ARM.name), packs=stop_after)
    memory = {config: value(dict(config.settings)) for config in before.values()}
    known = lambda pack, position: memory.get(pack.configs[position], NO_RESULT)  # noqa: E731
    after = _explore(plan, JournalledDraws(journal, ARM.name), known)
    assert not before.keys() & after.keys() and before | after == undisturbed
    packs = [event["pack"] for event in journal.events(DRAWN)]
    assert packs == list(range(plan.packs)), "each was drawn once"


def test_a_journal_without_draws_and_one_with_them_lead_to_the_same_lanes(tmp_path):
    plan = make_plan(STUDY, trials=24)
    drawn = _explore(plan, JournalledDraws(Journal(tmp_path), ARM.name))
    again = _explore(plan, JournalledDraws(Journal(tmp_path), ARM.name))
    assert drawn == again == _explore(plan, JournalledDraws(Journal(tmp_path / "other"), ARM.name))


@pytest.mark.parametrize("remembered", [[], [{"learning_rate": 0.01}] * 2, [{}] * 3])
def test_draws_of_another_plan_are_not_repeated(tmp_path, remembered):
    plan = make_plan(STUDY, trials=4)
    journal = Journal(tmp_path)
    journal.append(DRAWN, arm=ARM.name, pack=0, settings=remembered)
    assert _explore(plan, JournalledDraws(journal, ARM.name)) == _explore(plan, NoDraws())


@pytest.mark.soak
def test_a_search_of_very_many_lanes_still_finds_what_is_good():
    lanes = _explore(make_plan(STUDY, trials=1200), NoDraws())  # half of them at random, more than are kept
    values = {index: value(dict(config.settings)) for index, config in lanes.items() if index >= 0}
    drawn, chosen = ([values[i] for i in part] for part in (range(600), range(900, 1200)))
    assert sum(chosen) / len(chosen) > 0.5 * sum(drawn) / len(drawn)
