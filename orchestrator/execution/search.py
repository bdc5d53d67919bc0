"""Which configurations to train next: Optuna chooses them in packs of equal structure, Ray Tune schedules the
packs.

The outcome does not depend on timing. Pack ``n`` of an arm is drawn by a sampler that is seeded with (seed,
arm, n) and has seen the results of earlier generations only, in whatever order packs finish. So an
interrupted search is rebuilt exactly: the same packs are asked for again, drawn anew or as the journal
remembers them, and the results that it holds are given to the sampler.
"""

from __future__ import annotations

import hashlib
import json
import math
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import optuna
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState
from ray.tune.search import Searcher

from orchestrator.execution.samplers import (
    GivenSampler,
    OneSpaceSampler,
    best_and_newest,
    distribution,
    partly_fixed,
    silent_study,
)
from orchestrator.planning.pack import Pack
from orchestrator.planning.plan import Plan
from orchestrator.planning.structures import is_structural
from orchestrator.records.draws import Draws, NoDraws
from orchestrator.records.phase import Phase
from search_spaces.study import Arm
from trainables.errors import InputError

NO_RESULT = object()  # a lane that has no result yet; None is the result of one that diverged
_FORGETFUL = NoDraws()
Known = Callable[[Pack, int], Any]  # the objective of a pack's lane at that position, or NO_RESULT


class PackSource(Protocol):
    """Where packs come from, and where their objectives go."""

    @property
    def finished(self) -> bool:
        """True once every lane has a result."""

    def take(self) -> Pack | None:
        """The next pack to train; None while results have to arrive first, or where there is none left."""

    def put(self, pack: Pack, objectives: Sequence[float | None]) -> None:
        """Receive the objective of each lane of a pack, None where the lane diverged."""


class ArmSearch:
    """The exploration of one arm: Optuna chooses ``plan.trials`` configurations, pack by pack, so that the
    objective is as large as possible.

    Structures are drawn without replacement, one for each pack; once each was tried, they too are chosen.
    Settings of single lanes are drawn at random until half of the trials have a result, and then by TPE. It
    looks at all trials of the arm up to 500, and beyond them at the best and the newest, 250 to 500 in all.

    Args:
        draws: remembers what was drawn; a pack that it knows is not drawn again.
    """

    def __init__(
        self,
        plan: Plan,
        arm: Arm,
        known: Known = lambda pack, position: NO_RESULT,
        draws: Draws = _FORGETFUL,
    ) -> None:
        self._plan, self._arm, self._known, self._draws = plan, arm, known, draws
        self._distributions = {name: distribution(domain) for name, domain in plan.space(arm).items()}
        self._structures = plan.structures(arm)
        self._study = silent_study()
        self._asked = 0  # lanes
        self._measured = 0  # lanes whose objective is known, and a number
        self._untold: dict[int, optuna.Trial] = {}  # the newest generation, by index of the lane
        self._open = 0  # packs that were asked for and have no result yet
        self._objectives: dict[int, float | None] = {}
        self._queue: deque[Pack] = deque()

    @property
    def finished(self) -> bool:
        return self._asked == self._plan.trials and not self._open

    def take(self) -> Pack | None:
        while not self._open and not self.finished:
            self._tell_generation()
            self._ask_generation()
        return self._queue.popleft() if self._queue else None

    def put(self, pack: Pack, objectives: Sequence[float | None]) -> None:
        self._objectives |= dict(zip(pack.indexes, objectives, strict=True))
        self._open -= 1

    def _tell_generation(self) -> None:
        for index, trial in self._untold.items():
            objective = self._objectives.pop(index)
            if objective is None or not math.isfinite(objective):
                self._study.tell(trial, state=TrialState.FAIL)
            else:
                self._study.tell(trial, objective)
                self._measured += 1
        self._untold = {}
        self._study = best_and_newest(self._study)

    def _ask_generation(self) -> None:
        first = math.ceil(self._asked / self._plan.lanes)
        for number in range(first, min(first + self._plan.generation, self._plan.packs)):
            pack, objectives = split_known(self._ask_pack(number), self._known)
            self._objectives |= objectives
            if pack.indexes:
                self._queue.append(pack)
                self._open += 1

    def _ask_pack(self, number: int) -> Pack:
        """The pack of that number, as it was drawn before, else drawn now."""
        seeds = self._plan.explored_seeds(number)
        indexes = [index for index in seeds if index >= 0]
        remembered = self._draws.of(number) or []
        if [lane.keys() for lane in remembered] == [self._distributions.keys()] * len(indexes):
            drawn = self._repeat(remembered, indexes)
        else:
            drawn = self._draw(number, indexes)
            self._draws.keep(number, drawn)
        by_index = dict(zip(indexes, drawn, strict=True))
        configs = [self._plan.explored(self._arm, by_index[max(i, ~i)], seed) for i, seed in seeds.items()]
        return Pack(Phase.EXPLORE, self._arm.name, number, tuple(seeds), tuple(configs))

    def _draw(self, number: int, indexes: Iterable[int]) -> list[dict[str, Any]]:
        """The first lane is drawn with the structure of its pack; for others, which share it, the rest is."""
        sampler = self._sampler(number)
        structural = [name for name in self._distributions if is_structural(name, self._arm.trainable)]
        due = self._structures[number] if number < len(self._structures) else {}
        drawn: list[dict[str, Any]] = []
        for index in indexes:
            shared = {name: drawn[0][name] for name in structural} if drawn else due
            drawn.append(self._ask(index, partly_fixed(shared, sampler) if shared else sampler))
        return drawn

    def _repeat(
        self, remembered: Sequence[Mapping[str, Any]], indexes: Iterable[int]
    ) -> list[dict[str, Any]]:
        """Ask for what was drawn before, which costs a tenth of drawing it."""
        lanes = zip(indexes, remembered, strict=True)
        return [self._ask(index, GivenSampler(self._distributions, settings)) for index, settings in lanes]

    def _ask(self, index: int, sampler: BaseSampler) -> dict[str, Any]:
        self._study.sampler = sampler
        trial = self._untold[index] = self._study.ask(self._distributions)
        self._asked += 1
        return trial.params

    def _sampler(self, number: int) -> BaseSampler:
        """The sampler of a pack: TPE as soon as enough lanes have a result, of those that it may learn from.

        TPE itself would count lanes that are in training, and then choose without having seen anything.
        """
        seed = _seed(self._plan.seed, self._arm.name, number)
        if self._measured < self._plan.random_trials:
            return RandomSampler(seed)
        return OneSpaceSampler(self._distributions, self._plan, seed)


class FixedPacks:
    """Packs that are known from the start, such as those of confirmation, without the lanes that already have
    a result.
    """

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
    """Whoever is told what happens to packs."""

    def started(self, pack: Pack) -> None:
        """A pack is about to be trained."""

    def progressed(self, pack: Pack, progress: Mapping[str, Any]) -> None:
        """A pack has finished an epoch."""

    def finished(self, pack: Pack, results: Sequence[Mapping[str, Any]]) -> list[float | None]:
        """Record the results of a pack's lanes; return their objectives."""


class PackSearcher(Searcher):
    """Gives Ray Tune packs to train, at most ``limit`` at once, from each source (one per arm) in turn."""

    def __init__(self, sources: Sequence[PackSource], observer: Observer, limit: int) -> None:
        super().__init__()
        self._sources, self._observer, self._limit = list(sources), observer, limit
        self._running: dict[str, tuple[Pack, PackSource]] = {}
        self._turn = 0
        self.failure: str | None = None  # why a pack could not be trained
        self.refused = False  # whether the reason is wrong input

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next pack as a Tune configuration, None while none may start, or ``Searcher.FINISHED``."""
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
        # A source whose remaining lanes all had a result already has finished by being asked.
        return Searcher.FINISHED if all(source.finished for source in self._sources) else None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass an epoch's progress on to the observer."""
        if trial_id in self._running and "progress" in result:
            self._observer.progressed(self._running[trial_id][0], json.loads(result["progress"]))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Record the results of a pack, or why it failed."""
        pack, source = self._running.pop(trial_id)
        if error or not result or "lanes" not in result:
            result = result or {}
            self.failure = result.get(
                "failure", f"the processes that trained pack {pack.name} died again and again"
            )
            self.refused = result.get("refused", False)
            return
        try:
            source.put(pack, self._observer.finished(pack, json.loads(result["lanes"])))
        except InputError as error:  # a full disk, say
            self.failure, self.refused = str(error), True
        except Exception:  # Tune would ignore it, and then wait for ever for a pack that never comes
            self.failure = traceback.format_exc()

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the journal holds the state of the search."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: the journal holds the state of the search."""

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles the searcher for restore files that nobody reads; the journal and the display cannot be
        # pickled, and are left out.
        return {}


def split_known(pack: Pack, known: Known) -> tuple[Pack, dict[int, float | None]]:
    """The lanes of a pack that remain to be trained, and the objectives of the others by index."""
    objectives = {index: known(pack, position) for position, index in enumerate(pack.indexes)}
    if NO_RESULT in objectives.values() and any(config.competes for config in pack.configs):
        return pack, {}  # lanes that compete at rungs are trained together, or not at all
    missing = [i for i, index in enumerate(pack.indexes) if objectives[index] is NO_RESULT]
    rest = replace(
        pack, indexes=tuple(pack.indexes[i] for i in missing), configs=tuple(pack.configs[i] for i in missing)
    )
    return rest, {index: value for index, value in objectives.items() if value is not NO_RESULT}


def _seed(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:4], "big")
