"""The one training loop: a pack of L >= 1 lanes, by teacher forcing and then by K-step rollout.

It knows neither Ray nor a tracker; whoever runs it hands in a :class:`Context`. The same loop therefore runs
in a plain test, in a reused Tune actor and under Ray Train DDP, and gives the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from trainables.distributions.frame_flow import FrameFlow
from trainables.latents.batching.feed import Feed
from trainables.predictor.config import FITTED_HEADS, Lane, Structure
from trainables.predictor.evaluation.context_free import Marginals
from trainables.predictor.evaluation.evaluate import evaluate
from trainables.predictor.evaluation.options import (
    EVERYTHING,
    LOOK_WINDOWS,
    EvaluationOptions,
    judged_windows,
    look_options,
    ranked_windows,
    sampled_runs,
)
from trainables.predictor.scores import Scores, is_sampled, merge
from trainables.predictor.training.lane_result import LaneResult
from trainables.predictor.training.pack_run import PackRun
from trainables.training_context import Context


def train_pack(
    structure: Structure,
    lanes: Sequence[Lane],
    train: Feed,
    evaluation: Feed,
    context: Context,
    *,
    evaluate_each_epoch: bool,
    validation: Feed | None = None,
    final: EvaluationOptions = EVERYTHING,
    flows: Mapping[str, FrameFlow] | None = None,
) -> list[LaneResult]:
    """Train and evaluate a pack; a head that is fitted in closed form is fitted instead.

    Args:
        train: frames to learn from; holds the surrogates that the lanes name.
        evaluation: frames to be judged on. With ``evaluate_each_epoch`` they are those of validation, which
            are looked at after every epoch as well, and lanes may be dropped (for exploration); without it
            they are looked at once, at the end, with context-free marginals beside (for confirmation on test
            speakers).
        validation: frames by which patience is counted and the best state of each lane chosen, where they are
            not those to be judged on; without any, phases last as long as they may, and the last state is
            judged.
        final: what that one evaluation at the end measures.
        flows: densities of frames that know no past, by surrogate, which its information is compared with
            as well.

    Raises:
        InputError: no training utterance is as long as a window, or too few steps move for a head's codes.
    """
    held_out = evaluation if evaluate_each_epoch else validation
    run = PackRun(structure, lanes, train, context, held_out)
    if structure.head in FITTED_HEADS:
        run.fit()
    windows = LOOK_WINDOWS if structure.rung_epochs == 0 else ranked_windows(structure.objective)
    phase = run.phase
    while (epoch := run.next_epoch()) is not None:
        if held_out is not None and run.phase != phase:
            phase = run.phase
            run.look_ahead(_look(run, held_out, windows))
        progress = run.train_epoch(epoch)
        if held_out is not None:
            run.look(_look(run, held_out, windows))
        context.report({**progress, "lanes": [h[-1] for h in run.history if h]}, run.state())
    run.finish()
    if evaluate_each_epoch:
        windows = ranked_windows(structure.objective)
        temperatures = _temperatures(run, evaluation)
        return _judged(run, temperatures, partial(_look, run, evaluation, windows))
    trained_on = {lane.surrogate for lane in lanes}
    marginals = Marginals.fit(structure, run.data, surrogates=trained_on, flows=flows)
    if validation is not None:
        marginals.choose(validation, context.gather)
    temperatures = _temperatures(run, validation)
    final = replace(final, windows=final.windows or judged_windows(structure.objective))
    return _judged(run, temperatures, partial(_evaluate, run, evaluation, marginals, final))


def _temperatures(run: PackRun, feed: Feed | None) -> list[float]:
    """Of every lane that is left, the temperature at which its sampled runs do best on validation speakers;
    nothing is trained again.
    """
    structure = run.structure
    if feed is None or not structure.swept_temperatures or not run.rows:
        return [structure.temperature] * len(run.rows)
    metric = structure.objective
    if not is_sampled(metric):
        metric = f"energy_skill@1-{structure.horizon}"
    options = sampled_runs(structure, LOOK_WINDOWS)
    values = {
        at: [scores.value(metric) for scores in _evaluate(run, feed, None, options, at)]
        for at in structure.swept_temperatures
    }

    def rank(at: float, place: int) -> float:
        return values[at][place] if math.isfinite(values[at][place]) else -math.inf

    return [max(values, key=lambda at: rank(at, place)) for place in range(len(run.rows))]


def _judged(
    run: PackRun, temperatures: Sequence[float], scores_at: Callable[[float, Sequence[int]], list[Scores]]
) -> list[LaneResult]:
    """Results of all lanes, each that is left at a temperature of its own."""
    by_place: dict[int, Scores] = {}
    for at in dict.fromkeys(temperatures):
        places = [place for place, own in enumerate(temperatures) if own == at]
        by_place |= zip(places, scores_at(at, places), strict=True)
    results = run.results([by_place[place] for place in range(len(temperatures))])
    if run.structure.swept_temperatures:
        for row, at in zip(run.rows, temperatures, strict=True):
            results[row].details["temperature"] = at
    return results


def _look(
    run: PackRun,
    feed: Feed,
    windows: int,
    temperature: float | None = None,
    places: Sequence[int] | None = None,
) -> list[Scores]:
    """A look at validation speakers: as much as ranking lanes needs or, of some ``windows``, their curves."""
    options = look_options(run.structure, windows)
    with run.optimiser.judged_weights():
        return _evaluate(run, feed, run.marginals, options, temperature, places)


def _evaluate(
    run: PackRun,
    feed: Feed,
    baselines: Marginals | None,
    options: EvaluationOptions,
    temperature: float | None = None,
    places: Sequence[int] | None = None,
) -> list[Scores]:
    """Scores of the lanes that are left, or of those at some places, over the utterances of all ranks; each
    rank measures its own.
    """
    if not run.rows:
        return []
    stacked, lanes = run.pack.stacked, run.lanes_left
    if places is not None and len(places) < len(lanes):
        stacked, lanes = stacked.part(places), [lanes[place] for place in places]
    structure = run.structure
    if temperature is not None and temperature != structure.temperature:
        structure = replace(structure, temperature=temperature)
    measured = evaluate(
        structure,
        stacked,
        [lane.surrogate for lane in lanes],
        feed,
        run.data.moments,
        baselines,
        options=options,
        climate=run.data.climate() if options.sampled else None,
    )
    ranks = run.context.gather([scores.to_json() for scores in measured])
    return [merge(Scores.from_json(rank[place]) for rank in ranks) for place in range(len(lanes))]
