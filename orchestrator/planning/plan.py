"""What a sweep will do, fixed before it does anything: budgets, seeds, packs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.planning.pack import Pack
from orchestrator.planning.structures import TIME_SUFFIX, Coverage, combinations, coverage, structures
from orchestrator.records.phase import Phase
from orchestrator.statistics.power import fewest_seeds, smallest_p
from search_spaces.domains import Domain
from search_spaces.effort import SMOKE, effort_settings
from search_spaces.study import PHASES, Arm, Plant, Study
from trainables.errors import InputError
from trainables.lane_config import PREDICTOR, TRAINABLE_SETTING, LaneConfig, trainable
from trainables.latents.batching.surrogates import NULLS, PLANTS, Surrogate

# Configurations per arm that are trained on a second seed, and the fewest of which that could say anything:
# see judging/search_reliability.py.
_REPEATS, _FEWEST_REPEATS = 8, 4
# A smoke run goes through every step in a minute or two; its numbers mean nothing.
SMOKE_BUDGET = {"trials": 2, "lanes": 2, "replicates": 2}
_SMOKE_PACKS = 2  # of an arm, however many combinations its study tries


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A study with its budgets fixed; the same budgets hold for every arm."""

    study: Study
    trials: int  # configurations explored per arm
    lanes: int  # of these, how many are trained side by side in one pack
    replicates: int  # fresh seeds on which each arm's winner is trained again
    workers: int  # processes that share one pack by data parallelism
    seed: int  # from which all other seeds are derived
    smoke: bool
    ablate: bool = True  # whether the confirmed winner is trained without each of its components
    # Explored configurations per arm that are trained on a second seed as well, to see whether they are told
    # apart; these lanes win nothing.
    repeats: int = 0
    # Packs per arm that are in training at once; a pack learns from the results of earlier generations only.
    generation: int = 1
    frame_rates: Mapping[str, float] = field(default_factory=dict)  # Hz, by representation

    @property
    def packs(self) -> int:
        """Packs that exploration needs per arm."""
        return math.ceil(self.trials / self.lanes)

    @property
    def random_trials(self) -> int:
        """Configurations of an arm that have to have a result before others are chosen by results."""
        return max(1, self.trials // 2)

    def coverage(self, arm: Arm) -> Coverage:
        """How many of an arm's structures are tried."""
        return coverage(self.space(arm), self.trials, self.lanes, arm.trainable)

    def structures(self, arm: Arm) -> list[dict[str, Any]]:
        """The structural settings of an arm's first packs, no two of them alike."""
        return structures(self.space(arm), self.packs, _number(self.seed, arm.name), arm.trainable)

    def fixed(self, arm: Arm) -> dict[str, Any]:
        """The settings of an arm that are not searched."""
        searched = self.space(arm)
        kind = {} if arm.trainable == PREDICTOR else {TRAINABLE_SETTING: arm.trainable}
        study = self.study
        paced = {
            name: round(study.fixed[name] / arm.pace) or min(1, study.fixed[name])
            for name in PHASES
            if name in study.fixed and name not in study.settings  # what a user sets holds in every arm
        }
        settings = {"objective": study.objective, **kind, **study.fixed, **paced, **arm.fixed}
        return {name: value for name, value in settings.items() if name not in searched}

    def exploring_lengths(self, arm: Arm) -> dict[str, Any]:
        """How long an arm trains while it is explored: perhaps less than its winner."""
        share, fixed = self.study.budget.exploration, self.fixed(arm)
        return {name: max(1, round(share * fixed[name])) for name in self.study.lengths if fixed.get(name)}

    def in_full(self, arm: Arm, explored: LaneConfig | None) -> LaneConfig | None:
        """An explored configuration as it is confirmed: trained in full; None of None."""
        fixed = self.fixed(arm)
        return explored and explored | {name: fixed[name] for name in self.exploring_lengths(arm)}

    def space(self, arm: Arm) -> dict[str, Domain]:
        """The settings of an arm that are searched, in a stable order."""
        space: Mapping[str, Domain] = {**self.study.space, **arm.space}
        return {name: space[name] for name in sorted(space)}

    def lane_config(self, settings: Mapping[str, Any]) -> LaneConfig:
        """What a lane is told; a time such as ``horizon_ms`` becomes as many frames of its representation.

        Raises:
            InputError: a setting is unknown, has a value that is not allowed, or clashes with another.
        """
        in_frames = dict(settings)
        for name in [name for name in settings if name.endswith(TIME_SUFFIX)]:
            frames = in_frames.pop(name) * self.frame_rates[settings.get("representation", "")] / 1000
            in_frames[name.removesuffix(TIME_SUFFIX)] = max(1, round(frames))
        return LaneConfig.of(in_frames)

    def explore_seed(self, index: int) -> int:
        """The seed of an exploration's lane ``index``; the same in every arm."""
        return 2 * _number(self.seed, Phase.EXPLORE, index)

    def explored_seeds(self, number: int) -> dict[int, int]:
        """The seed of each lane of an exploration's pack by index; ~i, which is negative, is lane i on a
        second seed. The same in every arm; lanes with a second seed lie evenly among all.
        """
        start = number * self.lanes
        indexes = range(start, min(start + self.lanes, self.trials))
        again = [i for i in indexes if self._repeats_until(i + 1) > self._repeats_until(i)]
        seeds = {index: self.explore_seed(index) for index in indexes}
        return seeds | {~index: 2 * _number(self.seed, Phase.REPEAT, index) for index in again}

    def explored(self, arm: Arm, drawn: Mapping[str, Any], seed: int) -> LaneConfig:
        """What a lane of an arm's exploration is told, of settings that were drawn for it."""
        return self.lane_config({**self.fixed(arm), **self.exploring_lengths(arm), **drawn, "seed": seed})

    def foreseen(self, arm: Arm) -> Iterator[LaneConfig]:
        """What lanes of an arm's exploration are told, as far as it is known before any has a result: the
        structures of the first packs, or of all where there is but one, and seeds.
        """
        known = self.structures(arm)
        for number, structure in enumerate(known * self.packs if len(known) == 1 else known):
            for seed in self.explored_seeds(number).values():
                yield self.explored(arm, structure, seed)

    def _repeats_until(self, index: int) -> int:
        """Lanes before that one which are trained on a second seed too."""
        return self.repeats * index // self.trials

    def confirm_seeds(self) -> list[int]:
        """The seeds of confirmation, the same in every arm; they are odd and those of exploration even, so no
        seed is used in both.
        """
        return [2 * _number(self.seed, Phase.CONFIRM, index) + 1 for index in range(self.replicates)]

    @property
    def control_seeds(self) -> list[int]:
        """The first of the seeds of confirmation, on which nulls and plants are trained too."""
        return self.confirm_seeds()[: self.study.budget.control_seeds]

    @property
    def plants(self) -> tuple[Surrogate, ...]:
        """The plants that winners of binding criteria are trained on; none where the study declares none for
        its claim.
        """
        return () if self.study.plant is Plant.NONE else PLANTS

    @property
    def planted_arms(self) -> tuple[str, ...]:
        """The arms whose winners are trained on plants: a verdict asks no others what they found."""
        return self.study.binding_arms if self.plants else ()

    @property
    def controls_text(self) -> str:
        """The made frames that winners are trained on too, for the reader."""
        nulls = f"{', '.join(NULLS)} frames with {len(self.control_seeds)} seeds each"
        planted = f", of {' and '.join(self.planted_arms)} {', '.join(self.plants)} frames too"
        return nulls + (planted if self.plants else "")

    def plants_of(self, arm: str) -> tuple[Surrogate, ...]:
        """The plants that an arm's winner is trained on."""
        return self.plants if arm in self.planted_arms else ()

    def confirmed_lanes(self, arm: str) -> int:
        """Lanes that confirm an arm: its replicates, and the seeds of its nulls and, if any, plants."""
        return self.replicates + (len(NULLS) + len(self.plants_of(arm))) * len(self.control_seeds)

    def confirmation(self, arm: str, winner: LaneConfig, replicates: int | None = None) -> list[Pack]:
        """The packs that confirm an arm: its winner on the nulls, and on real frames with the first
        ``replicates`` of the fresh seeds (all where None); and, apart from them, on the plants where these
        are asked of it.
        """
        real = [winner | {"seed": s, "surrogate": Surrogate.REAL} for s in self.confirm_seeds()[:replicates]]
        lanes = [*self._controls(winner, NULLS), *real]
        planted = self._controls(winner, self.plants_of(arm))
        count = self.confirmed_lanes(arm)
        first = count - len(planted)  # whatever the number of replicates
        packs = [
            Pack(Phase.CONFIRM, arm, 0, tuple(range(len(lanes))), tuple(lanes)),
            Pack(Phase.CONFIRM, arm, first, tuple(range(first, count)), tuple(planted)),
        ]
        return packs if planted else packs[:1]

    def _controls(self, winner: LaneConfig, surrogates: Sequence[Surrogate]) -> list[LaneConfig]:
        """The winner on each surrogate, with each of the seeds of controls."""
        return [winner | {"seed": seed, "surrogate": s} for s in surrogates for seed in self.control_seeds]

    def settled(self, arm: Arm) -> LaneConfig | None:
        """The settings of an arm that leaves nothing to search, else None."""
        return None if self.space(arm) else self.lane_config(self.fixed(arm))

    def arguments(self) -> dict[str, Any]:
        """The arguments that two sweeps must have in common for one to continue the other."""
        asked = {
            "study": self.study.name,
            "trials": self.trials,
            "replicates": self.replicates,
            "workers": self.workers,
            "seed": self.seed,
            "smoke": self.smoke,
            "ablate": self.ablate,
        }
        settings = {arm.name: [self.fixed(arm), list(self.space(arm).items())] for arm in self.study.arms}
        return {**asked, "settings": hashlib.sha256(repr(settings).encode()).hexdigest()[:16]}


def make_plan(
    study: Study,
    *,
    trials: int | None = None,
    replicates: int | None = None,
    workers: int = 1,
    seed: int = 0,
    smoke: bool = False,
    ablate: bool = True,
    frame_rates: Mapping[str, float] | None = None,
) -> Plan:
    """Fix the budgets of a study: the user's number, else that of a smoke run, else the study's own.

    Raises:
        InputError: with such a budget nothing can be trained or decided, or the study cannot run yet.
    """
    if study.missing:
        raise InputError(f"the study {study.name!r} cannot run yet: it waits for {study.missing}")
    budget = study.budget
    defaults = (
        SMOKE_BUDGET
        if smoke
        else {"trials": budget.trials, "lanes": budget.lanes, "replicates": budget.replicates}
    )
    asked = shrunk(study) if smoke else study
    if trials is None:  # every combination gets a pack, in every arm the same number
        most = max(len(combinations({**asked.space, **arm.space})) for arm in asked.arms)
        most = min(most, _SMOKE_PACKS) if smoke else most
        trials = max(defaults["trials"], most * defaults["lanes"])
    replicates = defaults["replicates"] if replicates is None else replicates
    _at_least("--trials", trials, 1)
    if smoke:
        _at_least("--replicates", replicates, 2, "a verdict needs the spread between seeds")
    else:
        _enough_seeds(replicates, budget.alpha)
    _at_least("--workers", workers, 1)
    _at_least("--seed", seed, 0)
    lanes = min(defaults["lanes"], trials)
    plan = Plan(
        study=asked,
        trials=trials,
        lanes=lanes,
        repeats=min(_REPEATS, trials) if smoke or trials >= _FEWEST_REPEATS else 0,
        replicates=replicates,
        workers=workers,
        seed=seed,
        smoke=smoke,
        ablate=ablate,
        frame_rates=frame_rates or {},
    )
    for arm in plan.study.arms:
        _shareable(plan.fixed(arm).get("batch"), workers)
        if workers > 1 and not trainable(arm.trainable).distributes:
            raise InputError(
                f"--workers is {workers}, and one process trains the arm {arm.name!r}; leave --workers out"
            )
    return plan


def with_devices(plan: Plan, devices: int) -> Plan:
    """The same plan, with as many packs of each arm in training at once as the devices can hold, but no more
    than half of them: the others learn from their results.
    """
    share = max(1, devices // len(plan.study.arms))
    return replace(plan, generation=min(share, math.ceil(plan.packs / 2)))


def shrunk(study: Study) -> Study:
    """The same study with tiny predictors and a few components, for a smoke run."""
    tiny = effort_settings(study, SMOKE)
    keep = lambda space: {  # noqa: E731
        k: v for k, v in space.items() if k.removesuffix(TIME_SUFFIX) not in tiny
    }
    arms = tuple(replace(arm, space=keep(arm.space), fixed=keep(arm.fixed)) for arm in study.arms)
    few = tuple(part for i, part in enumerate(study.components) if i == 0 or part.known_harm)
    return replace(
        study,
        fixed={**keep(study.fixed), **tiny, **study.settings},
        space=keep(study.space),
        arms=arms,
        controls={},
        components=few,
        pairs=(),
        budget=replace(study.budget, control_seeds=1),
    )


def _at_least(name: str, value: int, low: int, why: str = "") -> None:
    if value < low:
        raise InputError(f"{name} is {value}; it must be at least {low}" + (f": {why}" if why else ""))


def _enough_seeds(replicates: int, alpha: float) -> None:
    fewest = fewest_seeds(alpha)
    if replicates < fewest:
        raise InputError(
            f"--replicates is {replicates}, which cannot decide: {replicates} paired seeds can "
            f"never fall below p = {smallest_p(replicates):.2g} in a sign-flip test at "
            f"alpha {alpha:g}; use at least {fewest}"
        )


def _shareable(batch: int | None, workers: int) -> None:
    if batch is not None and batch % workers:
        raise InputError(
            f"--workers is {workers}, and a batch of {batch} windows cannot be shared evenly by so many; "
            f"use a divisor of {batch}"
        )


def _number(*parts: object) -> int:
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 2  # 30 bits: twice it plus one is still a 31-bit seed
