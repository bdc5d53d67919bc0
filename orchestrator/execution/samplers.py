"""How Optuna chooses the settings of lanes: by its TPE, or as they were chosen before."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, PartialFixedSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from orchestrator.planning.plan import Plan
from search_spaces.domains import Choice, Domain, Integer, Uniform

# Named here, and recorded with every run, because Optuna has changed some of these defaults before.
_SAMPLER: dict[str, Any] = {
    "n_ei_candidates": 24,
    "multivariate": True,
    "group": False,
    "constant_liar": True,
}
# A study of more trials is cut down to fewer, since asking takes ever longer; TPE never models more than 25
# as good (its gamma).
_MOST_TRIALS, _KEPT_TRIALS, _BEST_KEPT = 500, 250, 25


class OneSpaceSampler(TPESampler):
    """TPE where all trials have one search space, which TPE itself would look for in every one of them."""

    def __init__(self, space: Mapping[str, BaseDistribution], plan: Plan, seed: int) -> None:
        # That TPE chooses is decided, though a study that was cut down may hold fewer trials than that takes.
        super().__init__(**{**sampler_settings(plan), "n_startup_trials": 1}, seed=seed)
        self._space = {name: space[name] for name in sorted(space) if not space[name].single()}

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return dict(self._space)  # a copy, from which what is fixed is taken out


class GivenSampler(RandomSampler):
    """Draws what it is given."""

    def __init__(self, space: Mapping[str, BaseDistribution], settings: Mapping[str, Any]) -> None:
        super().__init__(seed=0)
        self._space, self._settings = dict(space), dict(settings)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._settings


def distribution(domain: Domain) -> BaseDistribution:
    """Optuna's equivalent of a domain."""
    match domain:
        case Uniform(low, high, log):
            return FloatDistribution(low, high, log=log)
        case Integer(low, high, log):
            return IntDistribution(low, high, log=log)
        case Choice(options, _):
            return CategoricalDistribution(options)


def best_and_newest(study: optuna.Study) -> optuna.Study:
    """The study itself, or where it has more than 500 trials, one with at most 250 of them: the best 25, of
    which TPE makes its model of what is good, and the newest 225, which weigh most in that of the rest.

    All trials have finished. Those that failed, which TPE never looks at, are left out.
    """
    trials = study.get_trials(deepcopy=False)
    if len(trials) <= _MOST_TRIALS:
        return study
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    best = sorted(complete, key=lambda trial: -(trial.value or 0.0))[:_BEST_KEPT]
    newest = complete[-(_KEPT_TRIALS - _BEST_KEPT) :]
    kept = {trial.number: trial for trial in (*best, *newest)}
    smaller = silent_study()
    smaller.add_trials([kept[number] for number in sorted(kept)])
    return smaller


def silent_study(storage: BaseStorage | None = None, name: str | None = None) -> optuna.Study:
    """A new study of Optuna's that maximises; whoever makes one first, Optuna says nothing of its own."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(storage=storage, study_name=name, direction="maximize")


def sampler_settings(plan: Plan) -> dict[str, Any]:
    """How TPE is set up for each arm of a plan."""
    return {"n_startup_trials": plan.random_trials, **_SAMPLER}


def partly_fixed(shared: Mapping[str, Any], sampler: BaseSampler) -> PartialFixedSampler:
    """A sampler that takes the shared settings as they are, and draws the others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return PartialFixedSampler(dict(shared), sampler)
