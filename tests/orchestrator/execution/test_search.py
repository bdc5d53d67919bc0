"""The search on a simulator of tiny events: packs finish in any order, no cluster is needed."""

import json
import random
from collections import Counter
from dataclasses import replace

import pytest
from ray.tune.search import Searcher

from orchestrator.execution.lane_recorder import winner
from orchestrator.execution.samplers import distribution, sampler_settings
from orchestrator.execution.search import (
    NO_RESULT,
    ArmSearch,
    FixedPacks,
    PackSearcher,
)
from orchestrator.planning.plan import make_plan, with_devices
from orchestrator.planning.structures import combinations
from orchestrator.records.evidence import Exploration
from search_spaces.domains import Choice, Integer, Uniform
from search_spaces.study import Arm, Budget, Criterion, Plant, Prior, Role, Study
from trainables.errors import InputError
from trainables.lane_config import LaneConfig
from trainables.predictor.scores import LaneStatus

STUDY = Study(
    name="toy",
    title="toy",
    hypothesis="none",
    arms=(
        Arm("mdn", "mixture", {"head": "mdn"}, {"components": Choice((1, 2, 4))}),
        Arm("vmf", "direction", {"head": "vmf"}, {"kappa_prior": Uniform(1e-4, 1e-1, log=True)}),
    ),
    fixed={"width": 8},
    space={"learning_rate": Uniform(1e-3, 1e-1, log=True), "rollout": Choice((4, 8)), "depth": Integer(1, 2)},
    criteria=(Criterion("direction", "cos@4", "vmf", 0.6, 0.3, Role.PRIMARY),),
    objective="cos@4",
    prior=Prior(0.5, "nobody"),
    consequences={},
    budget=Budget(trials=10, lanes=4, replicates=6),
)

MDN = LaneConfig.of({"head": "mdn"})


def objective(config):
    """Best at a learning rate of 0.01 and a rollout of 8; very large learning rates diverge."""
    if config.lane.learning_rate > 0.08:
        return None
    return -abs(config.lane.learning_rate - 0.01) + 0.01 * (config.structure.rollout == 8)


class Watcher:
    """Stands where the recorder stands, and computes each lane's objective from its settings."""

    def __init__(self, crash_after=None):
        self.packs, self.lanes, self.repeats, self.done = [], {}, {}, 0
        self.crash_after = crash_after

    def started(self, pack):
        self.packs.append(pack)

    def progressed(self, pack, progress):
        pass

    def finished(self, pack, results):
        self.done += 1
        for index, config in zip(pack.indexes, pack.configs, strict=True):
            (self.lanes if index >= 0 else self.repeats)[pack.arm, max(index, ~index)] = config
        return [objective(config) for config in pack.configs]


def simulate(plan, order=0, slots=4, known=lambda pack, position: NO_RESULT, stop_after=None):
    """Run a search to its end (or until so many packs are done); ``order`` seeds which running pack finishes
    first.
    """
    watcher, rng = Watcher(), random.Random(order)
    searcher = PackSearcher([ArmSearch(plan, arm, known) for arm in plan.study.arms], watcher, limit=slots)
    running, number = [], 0
    while stop_after is None or watcher.done < stop_after:
        asked = searcher.suggest(f"trial{number}")
        if asked == Searcher.FINISHED:
            assert not running
            break
        if asked is not None:
            running.append(f"trial{number}")
            number += 1
            continue
        trial = running.pop(rng.randrange(len(running)))
        searcher.on_trial_complete(trial, {"lanes": json.dumps([{}] * 4)})
    return watcher


def test_lanes_of_a_pack_share_their_structure_and_differ_elsewhere():
    watcher = simulate(make_plan(STUDY))
    for pack in watcher.packs:
        assert len({config.structure for config in pack.configs}) == 1
        explored = [config for index, config in zip(pack.indexes, pack.configs, strict=True) if index >= 0]
        assert len({config.lane.learning_rate for config in explored}) == len(explored)


@pytest.mark.parametrize("options", [(1, 2, 4), (2,)])
def test_structures_and_seeds_of_first_packs_are_foreseen(options):
    arm = Arm("mdn", "mixture", {"head": "mdn"}, {"components": Choice(options)})
    rates = {"learning_rate": Uniform(1e-3, 1e-1, log=True)}
    plan = make_plan(replace(STUDY, arms=(arm, STUDY.arm("vmf")), space=rates))
    foreseen = list(plan.foreseen(arm))
    search, drawn = ArmSearch(plan, arm), []
    while len(drawn) < len(foreseen):
        pack = search.take()
        drawn += pack.configs
        search.put(pack, [0.0] * len(pack.configs))
    assert [(each.structure, each.lane.seed) for each in drawn] == [
        (each.structure, each.lane.seed) for each in foreseen
    ]
    assert len(foreseen) == plan.trials + plan.repeats or len(options) > 1


@pytest.mark.parametrize(("trials", "repeats"), [(10, 8), (24, 8), (4, 4)])
def test_some_configurations_of_every_structure_train_on_a_second_seed_in_the_same_packs(trials, repeats):
    plan = make_plan(STUDY, trials=trials)
    watcher = simulate(plan)
    assert Counter(arm for arm, _ in watcher.repeats) == {"mdn": repeats, "vmf": repeats}
    for place, config in watcher.repeats.items():
        again = config | {"seed": watcher.lanes[place].lane.seed}
        assert again == watcher.lanes[place] and config != again
    seeds = {config.lane.seed for config in watcher.lanes.values()}
    assert not seeds & {config.lane.seed for config in watcher.repeats.values()}
    assert {i // plan.lanes for _, i in watcher.repeats} == set(range(plan.packs)), "of every pack"


def test_so_few_configurations_that_none_could_be_told_apart_train_on_one_seed():
    watcher = simulate(make_plan(STUDY, trials=3))
    assert len(watcher.lanes) == 6 and not watcher.repeats


def test_every_arm_gets_the_same_budget_and_paired_seeds():
    watcher = simulate(make_plan(STUDY))
    assert Counter(arm for arm, _ in watcher.lanes) == {"mdn": 10, "vmf": 10}
    for index in range(10):
        assert watcher.lanes["mdn", index].lane.seed == watcher.lanes["vmf", index].lane.seed
    assert len({config.lane.seed for config in watcher.lanes.values()}) == 10


@pytest.mark.parametrize("devices", [1, 4])
def test_the_order_in_which_packs_finish_changes_nothing(devices):
    plan = with_devices(make_plan(STUDY), devices)
    first = simulate(plan, order=0)
    assert all(
        simulate(plan, order=order, slots=slots).lanes == first.lanes for order in (1, 2) for slots in (1, 3)
    )


def test_a_later_pack_learns_from_earlier_ones():
    plan = make_plan(STUDY, trials=24)
    informed = simulate(plan).lanes
    blind = ArmSearch(plan, STUDY.arm("vmf"))
    packs = []
    while (pack := blind.take()) is not None:
        packs.append(pack)
        blind.put(pack, [None] * len(pack.configs))  # everything diverged: nothing to learn from
    last = {index: config for index, config in zip(packs[-1].indexes, packs[-1].configs, strict=True)}
    assert any(informed["vmf", index] != config for index, config in last.items())


@pytest.mark.parametrize("devices", [1, 64])
def test_about_half_of_an_arms_lanes_are_chosen_by_results_however_many_devices_there_are(devices):
    plan = with_devices(make_plan(STUDY, trials=24), devices)
    assert sampler_settings(plan)["n_startup_trials"] == 12
    blind, informed = ArmSearch(plan, STUDY.arm("vmf")), simulate(plan).lanes
    while (pack := blind.take()) is not None:
        blind.put(pack, [None] * len(pack.configs))  # everything diverged: nothing to learn from
        lanes = [(i, c) for i, c in zip(pack.indexes, pack.configs, strict=True) if i >= 0]
        changed = [informed["vmf", i] != config for i, config in lanes]
        assert all(changed) if pack.number >= 3 else not any(changed)
    assert pack is None and blind.finished


def test_no_structure_is_tried_twice_before_each_was_tried():
    plan = make_plan(STUDY, trials=60)  # 15 packs; mdn has 12 structures, vmf 4
    watcher = simulate(plan)
    for arm, count in (("mdn", 12), ("vmf", 4)):
        packs = sorted((p for p in watcher.packs if p.arm == arm), key=lambda p: p.number)
        assert len({pack.configs[0].structure for pack in packs[:count]}) == count
        assert (
            len({pack.configs[0].structure for pack in packs}) == count == plan.coverage(STUDY.arm(arm)).tried
        )


def test_diverged_lanes_are_told_as_failed_and_never_as_a_number():
    search = ArmSearch(replace(make_plan(STUDY, trials=4), repeats=0), STUDY.arm("mdn"))
    pack = search.take()
    search.put(pack, [1.0, None, float("nan"), 0.5])
    assert search.finished
    search._tell_generation()
    assert [t.state.name for t in search._study.trials] == ["COMPLETE", "FAIL", "FAIL", "COMPLETE"]
    assert [t.value for t in search._study.trials] == [1.0, None, None, 0.5]


@pytest.mark.parametrize("stop_after", [1, 2, 3, 5])
def test_a_search_rebuilt_from_what_is_known_goes_on_where_it_stopped(stop_after):
    plan = with_devices(make_plan(STUDY), 4)
    undisturbed = simulate(plan).lanes
    before = simulate(plan, stop_after=stop_after).lanes
    memory = {config: objective(config) for config in before.values()}
    known = lambda p, i: memory.get(p.configs[i], NO_RESULT)  # noqa: E731
    after = simulate(plan, order=7, known=known).lanes
    assert not set(before) & set(after), "a finished lane was trained again"
    assert {**before, **after} == undisturbed


def test_a_pack_of_which_some_lanes_are_known_is_trained_without_them():
    plan = replace(make_plan(STUDY, trials=4), repeats=0)
    whole = ArmSearch(plan, STUDY.arm("mdn")).take()
    rest = ArmSearch(
        plan, STUDY.arm("mdn"), lambda p, i: 0.3 if p.configs[i] == whole.configs[1] else NO_RESULT
    ).take()
    assert rest.indexes == (0, 2, 3)
    assert rest.configs == (whole.configs[0], *whole.configs[2:])


def test_a_pack_of_which_only_a_second_seed_is_missing_trains_that():
    plan = make_plan(STUDY, trials=4)
    whole = ArmSearch(plan, STUDY.arm("mdn")).take()
    missing = whole.configs[whole.indexes.index(~2)]
    search = ArmSearch(plan, STUDY.arm("mdn"), lambda p, i: NO_RESULT if p.configs[i] == missing else 0.3)
    rest = search.take()
    assert (rest.indexes, rest.configs, rest.place(0)) == ((~2,), (missing,), ("repeat", "mdn", 2))
    assert not search.finished
    search.put(rest, [None])
    assert search.finished and search.take() is None


def test_lanes_that_compete_at_rungs_are_trained_together_or_not_at_all():
    plan = make_plan(replace(STUDY, fixed={**STUDY.fixed, "rung_epochs": 1}))
    whole = ArmSearch(plan, plan.study.arms[0]).take()
    half = whole.configs[:2]
    again = ArmSearch(
        plan, plan.study.arms[0], lambda p, i: 0.5 if p.configs[i] in half else NO_RESULT
    ).take()
    assert again.configs == whole.configs
    ended = ArmSearch(
        plan, plan.study.arms[0], lambda p, i: 0.5 if p.configs[i] in whole.configs else NO_RESULT
    ).take()
    assert ended.number == 1  # the first pack is known, all of it


@pytest.mark.parametrize(
    ("fates", "best"),
    [
        (["finished", "stopped", "finished"], 0),  # a lane that was stopped ran for less: it does not win ...
        (["diverged", "stopped", "diverged"], 1),  # ... unless no other is left
        (["diverged", "diverged", "diverged"], None),
    ],
)
def test_the_winner_was_trained_to_its_end(fates, best):
    values = [0.6, 0.9, 0.5]
    lanes = [
        Exploration(
            i,
            MDN | {"width": i + 1, "seed": 3},
            None if fate == "diverged" else value,
            LaneStatus(fate),
            1.0,
        )
        for i, (fate, value) in enumerate(zip(fates, values, strict=True))
    ]
    assert winner(lanes) == (None if best is None else MDN | {"width": best + 1})


def test_everything_known_ends_at_once():
    searcher = PackSearcher(
        [ArmSearch(make_plan(STUDY), arm, lambda p, i: 0.1) for arm in STUDY.arms], Watcher(), limit=2
    )
    assert searcher.suggest("t") == Searcher.FINISHED
    searcher = PackSearcher(
        [FixedPacks(make_plan(STUDY).confirmation("mdn", MDN), lambda p, i: 0.1)], Watcher(), limit=2
    )
    assert searcher.suggest("t") == Searcher.FINISHED


def test_no_more_packs_than_allowed_run_at_once():
    plan = with_devices(make_plan(STUDY), 8)
    searcher = PackSearcher([ArmSearch(plan, arm) for arm in STUDY.arms], Watcher(), limit=3)
    asked = [searcher.suggest(f"t{i}") for i in range(5)]
    assert [a is not None for a in asked] == [True, True, True, False, False]
    arms = [json.loads(a["pack"])[1] for a in asked[:3]]
    assert arms == ["mdn", "vmf", "mdn"], "arms take turns"


def test_a_failed_pack_ends_the_search_and_says_why():
    searcher = PackSearcher([ArmSearch(make_plan(STUDY), arm) for arm in STUDY.arms], Watcher(), limit=2)
    searcher.suggest("t0")
    searcher.on_trial_complete("t0", {"failure": "rollout is 99; it is too long", "refused": True})
    assert searcher.suggest("t1") == Searcher.FINISHED
    assert (searcher.failure, searcher.refused) == ("rollout is 99; it is too long", True)


def test_confirmation_has_fresh_paired_seeds_and_three_of_them_on_each_null_and_plant():
    plan = make_plan(replace(STUDY, plant=Plant.DIRECTION))
    packs = plan.confirmation("vmf", LaneConfig.of({"head": "vmf"}))
    lanes, planted = ([c.lane for c in pack.configs] for pack in packs)
    assert [lane.surrogate for lane in lanes] == ["white"] * 3 + ["gaussian"] * 3 + ["real"] * 6
    assert [lane.surrogate for lane in planted] == ["planted_kept"] * 3 + ["planted_lost"] * 3
    assert [lane.seed for lane in lanes] == [
        *plan.control_seeds * 2,
        *plan.confirm_seeds(),
    ]
    assert [lane.seed for lane in planted] == plan.control_seeds * 2
    assert [lane.seed for lane in lanes] == [c.lane.seed for c in plan.confirmation("mdn", MDN)[0].configs]
    assert not {lane.seed for lane in lanes} & {plan.explore_seed(i) for i in range(plan.trials)}


def test_places_of_planted_lanes_do_not_depend_on_the_look():
    plan = make_plan(replace(STUDY, plant=Plant.DIRECTION))
    vmf = LaneConfig.of({"head": "vmf"})
    early, late = (plan.confirmation("vmf", vmf, replicates) for replicates in (3, None))
    assert early[1] == late[1]
    places = [index for pack in late for index in pack.indexes]
    assert places == list(range(plan.confirmed_lanes("vmf"))) == list(range(6 + 6 + 6))
    assert early[0].indexes == late[0].indexes[:9]


def test_a_study_that_declares_no_plant_trains_none():
    plan = make_plan(STUDY)
    (pack,) = plan.confirmation("mdn", MDN)
    assert len(pack.configs) == plan.confirmed_lanes("mdn") == 6 + 6


def test_domains_become_the_same_domains_of_optuna():
    assert distribution(Uniform(1, 2, log=True)).log
    assert (distribution(Integer(1, 5)).low, distribution(Integer(1, 5)).high) == (1, 5)
    assert distribution(Choice(("a", "b"))).choices == ("a", "b")


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        ({"trials": 0}, "--trials is 0; it must be at least 1"),
        (
            {"replicates": 5},
            "--replicates is 5, which cannot decide: 5 paired seeds can never fall below p = 0.062 in a "
            "sign-flip test at alpha 0.05; use at least 6",
        ),
        (
            {"replicates": 1, "smoke": True},
            "--replicates is 1; it must be at least 2: a verdict needs the spread between seeds",
        ),
        ({"workers": 0}, "--workers is 0; it must be at least 1"),
    ],
)
def test_budgets_that_cannot_decide_are_refused(budget, sentence):
    with pytest.raises(InputError, match="^" + sentence + "$"):
        make_plan(STUDY, **budget)


def test_every_combination_of_what_is_to_be_tried_gets_a_pack_of_its_own_first():
    space = {**STUDY.space, "backbone": Choice(("gru", "mlp"), each=True)}
    arms = (
        replace(STUDY.arms[0], space={"feedback": Choice(("mean", "mode", "sample"), each=True)}),
        STUDY.arms[1],
    )
    plan = make_plan(replace(STUDY, space=space, arms=arms))
    assert plan.trials == 6 * plan.lanes  # in both arms, though the second has but two combinations
    watcher = simulate(plan, order=3)
    for arm, names in (("mdn", ("backbone", "feedback")), ("vmf", ("backbone",))):
        packs = sorted((p for p in watcher.packs if p.arm == arm), key=lambda p: p.number)
        tried = [tuple(pack.configs[0].to_json()[name] for name in names) for pack in packs]
        count = len(combinations(plan.space(plan.study.arm(arm))))
        assert len(set(tried[:count])) == count == {"mdn": 6, "vmf": 2}[arm]
    assert combinations(STUDY.space) == [{}]
