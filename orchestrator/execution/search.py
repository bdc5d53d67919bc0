"""Which configurations to train next: Optuna asks in packs of equal structure, Ray Tune schedules the packs.

The outcome does not depend on timing. Pack ``n`` of an arm is drawn by a sampler seeded with (seed, arm, n)
from the results of earlier generations alone, however its neighbours in time may have finished; so an
interrupted search is rebuilt exactly by asking again and telling what the journal knows.
"""

from __future__ import annotations

import hashlib
import json
import math
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Protocol

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import PartialFixedSampler, TPESampler
from optuna.trial import TrialState
from ray.tune.search import Searcher

from orchestrator.planning.pack import Pack
from orchestrator.planning.plan import Plan, combinations
from search_spaces.domains import Choice, Domain, Integer, Uniform
from search_spaces.study import Arm
from trainables.predictor.config import Structure

# Written down, in every run's record too, because Optuna has changed some of these defaults before.
SAMPLER: dict[str, Any] = {
    "n_startup_trials": 8,
    "n_ei_candidates": 24,
    "multivariate": True,
    "group": False,
    "constant_liar": True,
}
NO_RESULT = object()  # a lane that has no result yet; None is the result of one that diverged
Known = Callable[[Pack, int], Any]  # the objective of a pack's lane at that position, or UNKNOWN


class PackSource(Protocol):
    """Where packs come from, and where their objectives go."""

    @property
    def finished(self) -> bool:
        """True once every lane has a result."""

    def take(self) -> Pack | None:
        """The next pack to train; None while there is nothing to do but wait."""

    def put(self, pack: Pack, objectives: Sequence[float | None]) -> None:
        """Hand in the objective of each lane of a pack, None where it diverged."""


class ArmSearch:
    """The exploration of one arm: ``plan.trials`` configurations, asked of Optuna in packs, maximising the
    objective.
    """

    def __init__(self, plan: Plan, arm: Arm, known: Known = lambda pack, position: NO_RESULT) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._plan, self._arm, self._known = plan, arm, known
        self._distributions = {name: distribution(domain) for name, domain in plan.space(arm).items()}
        self._study = optuna.create_study(direction="maximize")
        self._asked: list[optuna.Trial] = []
        self._told = 0
        self._objectives: dict[int, float | None] = {}
        self._queue: deque[Pack] = deque()

    @property
    def finished(self) -> bool:
        return len(self._objectives) == self._plan.trials

    def take(self) -> Pack | None:
        while not self._queue and not self.finished and len(self._objectives) == len(self._asked):
            self._tell_generation()
            self._ask_generation()
        return self._queue.popleft() if self._queue else None

    def put(self, pack: Pack, objectives: Sequence[float | None]) -> None:
        for index, objective in zip(pack.indexes, objectives, strict=True):
            self._objectives[index] = objective

    def _tell_generation(self) -> None:
        for index in range(self._told, len(self._asked)):
            objective = self._objectives[index]
            if objective is None or not math.isfinite(objective):
                self._study.tell(self._asked[index], state=TrialState.FAIL)
            else:
                self._study.tell(self._asked[index], objective)
        self._told = len(self._asked)

    def _ask_generation(self) -> None:
        first = math.ceil(len(self._asked) / self._plan.lanes)
        for number in range(first, min(first + self._plan.generation, self._plan.packs)):
            pack, objectives = split_known(self._ask_pack(number), self._known)
            self._objectives |= objectives
            if pack.indexes:
                self._queue.append(pack)

    def _ask_pack(self, number: int) -> Pack:
        """The first lane is drawn freely; the others share its structure and are drawn in what remains."""
        start = number * self._plan.lanes
        indexes = range(start, min(start + self._plan.lanes, self._plan.trials))
        sampler = _sampler(_seed(self._plan.seed, self._arm.name, number))
        structural = {f.name for f in fields(Structure)} & set(self._distributions)
        configs: list[dict[str, Any]] = []
        for index in indexes:
            shared = {name: configs[0][name] for name in structural} if configs else self._due(number)
            self._study.sampler = _partly_fixed(shared, sampler) if shared else sampler
            trial = self._study.ask(self._distributions)
            self._asked.append(trial)
            configs.append(
                {**self._plan.fixed(self._arm), **trial.params, "seed": self._plan.explore_seed(index)}
            )
        configs = [self._plan.in_frames(config) for config in configs]
        return Pack("explore", self._arm.name, number, tuple(indexes), tuple(configs))

    def _due(self, number: int) -> dict[str, Any]:
        """What a pack has to try, while a combination of such settings is left."""
        due = combinations(self._plan.space(self._arm))
        return due[number] if number < len(due) else {}


class FixedPacks:
    """Packs known from the start, such as those of confirmation; what has a result already is left out."""

    def __init__(self, packs: Sequence[Pack], known: Known = lambda pack, position: NO_RESULT) -> None:
        rests = [split_known(pack, known)[0] for pack in packs]
        self._queue = deque(rest for rest in rests if rest.indexes)
        self.ahead = self._open = len(self._queue)

    @property
    def finished(self) -> bool:
        return self._open == 0

    def take(self) -> Pack | None:
        return self._queue.popleft() if self._queue else None

    def put(self, pack: Pack, objectives: Sequence[float | None]) -> None:
        self._open -= 1


class Observer(Protocol):
    """Who wants to know what happens to packs."""

    def started(self, pack: Pack) -> None: ...

    def progressed(self, pack: Pack, progress: Mapping[str, Any]) -> None: ...

    def finished(self, pack: Pack, results: Sequence[Mapping[str, Any]]) -> list[float | None]:
        """Record the results of a pack's lanes; return their objectives."""


class PackSearcher(Searcher):
    """Hands packs to Ray Tune, at most ``limit`` at once, taking turns over the sources (one per arm)."""

    def __init__(self, sources: Sequence[PackSource], observer: Observer, limit: int) -> None:
        super().__init__()
        self._sources, self._observer, self._limit = list(sources), observer, limit
        self._running: dict[str, tuple[Pack, PackSource]] = {}
        self._turn = 0
        self.failure: str | None = None  # why a pack cannot be trained
        self.refused = False  # ... and whether the user's input is why

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next pack as a Tune configuration, None while waiting, or ``Searcher.FINISHED``."""
        if self.failure or all(source.finished for source in self._sources):
            return Searcher.FINISHED
        if len(self._running) >= self._limit:
            return None
        for offset in range(len(self._sources)):
            source = self._sources[(self._turn + offset) % len(self._sources)]
            pack = source.take()
            if pack is not None:
                self._turn += offset + 1
                self._running[trial_id] = (pack, source)
                self._observer.started(pack)
                return {"pack": pack.to_json()}
        # Taking may have been the last step of a source whose lanes were all known already.
        return Searcher.FINISHED if all(source.finished for source in self._sources) else None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass an epoch's progress on."""
        if trial_id in self._running and "progress" in result:
            self._observer.progressed(self._running[trial_id][0], json.loads(result["progress"]))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Record a pack's results, or that it failed."""
        pack, source = self._running.pop(trial_id)
        if error or not result or "lanes" not in result:
            result = result or {}
            self.failure = result.get("failure", f"the processes that trained pack {pack.name} kept dying")
            self.refused = result.get("refused", False)
            return
        try:
            source.put(pack, self._observer.finished(pack, json.loads(result["lanes"])))
        except Exception:  # Tune would pass over it, and wait for ever for a pack that is not coming
            self.failure = traceback.format_exc()

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the journal holds it."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: the journal holds it."""

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its configuration for restore files that nobody reads; the journal and the display stay
        # out of it.
        return {}


def distribution(domain: Domain) -> BaseDistribution:
    """Optuna's equivalent of a domain."""
    match domain:
        case Uniform(low, high, log):
            return FloatDistribution(low, high, log=log)
        case Integer(low, high, log):
            return IntDistribution(low, high, log=log)
        case Choice(options, _):
            return CategoricalDistribution(options)


def split_known(pack: Pack, known: Known) -> tuple[Pack, dict[int, float | None]]:
    """What of a pack remains to be trained, and the objectives of the lanes that need not be."""
    objectives = {index: known(pack, position) for position, index in enumerate(pack.indexes)}
    if NO_RESULT in objectives.values() and any(config.get("rung_epochs") for config in pack.configs):
        return pack, {}  # lanes that compete are trained together, or not at all
    missing = [i for i, index in enumerate(pack.indexes) if objectives[index] is NO_RESULT]
    rest = replace(
        pack, indexes=tuple(pack.indexes[i] for i in missing), configs=tuple(pack.configs[i] for i in missing)
    )
    return rest, {index: value for index, value in objectives.items() if value is not NO_RESULT}


def _sampler(seed: int) -> TPESampler:
    return TPESampler(**SAMPLER, seed=seed)


def _partly_fixed(shared: Mapping[str, Any], sampler: TPESampler) -> PartialFixedSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return PartialFixedSampler(dict(shared), sampler)


def _seed(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:4], "big")
