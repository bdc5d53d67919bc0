"""The one training loop: a pack of L >= 1 lanes, by teacher forcing and then by K-step rollout.

It knows neither Ray nor a tracker; whoever runs it hands in a :class:`Context`. The same loop therefore runs
in a plain test, in a reused Tune actor and under Ray Train DDP, and gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from trainables.latents.batching.feed import Feed
from trainables.predictor.config import FITTED_HEADS, Lane, Structure
from trainables.predictor.evaluation.context_free import Marginals
from trainables.predictor.evaluation.evaluate import evaluate
from trainables.predictor.scores import Scores, merge
from trainables.predictor.training.pack_run import LaneResult, Run
from trainables.training_context import Context


def train_pack(
    structure: Structure,
    lanes: Sequence[Lane],
    train: Feed,
    evaluation: Feed,
    context: Context,
    *,
    evaluate_each_epoch: bool,
    free_running: bool = True,
) -> list[LaneResult]:
    """Train and evaluate a pack; a head that is fitted in closed form is fitted instead.

    Args:
        train: frames to learn from; holds the surrogates that the lanes name.
        evaluation: frames to be judged on. With ``evaluate_each_epoch`` they are looked at after every epoch
            (for exploration on validation speakers), and lanes may be dropped; without it once, at the end,
            with injections and context-free marginals beside (for confirmation on test speakers).
        free_running: whether that last evaluation runs free at all; else one step ahead is all it looks at.
    """
    run = Run(structure, lanes, train, context)
    if structure.head in FITTED_HEADS:
        run.fit()
    scores: list[Scores] | None = None
    for epoch in range(run.epoch, structure.epochs):
        if not run.rows:  # every lane has diverged
            break
        progress = run.train_epoch(epoch)
        if evaluate_each_epoch:
            scores = run.look(_evaluate(run, evaluation, run.marginals, sampled=run.needs_samples))
        context.report({**progress, "lanes": [h[-1] for h in run.history if h]}, run.state())
    if not evaluate_each_epoch:
        baselines = Marginals.fit(structure, train, run.moments, context.gather)
        scores = _evaluate(
            run, evaluation, baselines, inject=free_running, sampled=free_running, free_running=free_running
        )
    if scores is None:  # nothing was left to train
        scores = _evaluate(run, evaluation, run.marginals, sampled=run.needs_samples)
    return run.results(scores)


def _evaluate(
    run: Run,
    feed: Feed,
    baselines: Marginals | None,
    *,
    inject: bool = False,
    sampled: bool,
    free_running: bool = True,
) -> list[Scores]:
    """Each rank measures its own utterances; the sums are then those of all."""
    if not run.rows:
        return []
    surrogates = [lane.surrogate for lane in run.own]
    own = evaluate(
        run.structure,
        run.pack.stacked,
        surrogates,
        feed,
        run.moments,
        baselines,
        inject=inject,
        sampled=sampled,
        free_running=free_running,
    )
    ranks = run.context.gather([scores.to_json() for scores in own])
    return [merge(Scores.from_json(rank[place]) for rank in ranks) for place in range(len(run.rows))]
