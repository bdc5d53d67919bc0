"""The text that ``--plan`` prints: every step of the roadmap with its state, consequences and cost."""

from __future__ import annotations

from contextlib import nullcontext

from orchestrator.roadmap.gates import Status, StepState
from orchestrator.roadmap.runner import RoadmapRunner
from orchestrator.roadmap.status import Standing, advice
from orchestrator.runtime.ray_cluster import Cluster, connected
from orchestrator.runtime.terminal_text import wrapped
from search_spaces.roadmap import GO, INADMISSIBLE, NO_GO, Consequence
from search_spaces.study import Study
from trainables.errors import InputError


def roadmap_plan(runner: RoadmapRunner) -> str:
    """The roadmap as text; runs nothing but the short timing that costs are estimated from."""
    standing, roadmap = runner.standing(), runner.roadmap
    lines = [
        *wrapped(roadmap.title),
        *wrapped(roadmap.source),
        *wrapped(
            f"latents {standing.latents} ({standing.representation}, {runner.dataset.meta.dim} dimensions)"
        ),
        *wrapped(runner.comparison()),
    ]
    address = runner.order.address
    with connected(address) if address else nullcontext() as cluster:
        for tier, words in roadmap.tiers.items():
            lines += ["", *wrapped(f"tier {tier}: {words}", hanging=4)]
            for status in (s for s in standing.outlook.statuses if s.step.tier == tier):
                lines += _lines(status, standing, _cost(status, runner, cluster))
    return "\n".join([*lines, "", *(part for line in advice(standing) for part in wrapped(line))])


def _lines(status: Status, standing: Standing, cost: str) -> list[str]:
    step, study = status.step, standing.studies[status.step.study]
    state = f"{status.state} {status.verdict}".strip()
    last = standing.last(step.study)
    repeated = last is not None and status.state is StepState.READY and last.verdict == INADMISSIBLE
    repeated_words = ", again: INADMISSIBLE last time" if repeated else ""
    details = [
        f"{study.title}; prior {study.prior.probability:.2f}",
        cost,
        *(f"{verdict}: {_leads(step.consequences[verdict])}" for verdict in (GO, NO_GO)),
    ]
    return [
        *wrapped(f"{step.study} {state}: {status.reason}{repeated_words}", indent=2, hanging=6),
        *(line for detail in details for line in wrapped(detail, indent=6, hanging=10)),
    ]


def _leads(consequence: Consequence) -> str:
    opens = f" Opens {', '.join(consequence.opens)}." if consequence.opens else ""
    return f"{consequence}{opens}"


def _cost(status: Status, runner: RoadmapRunner, cluster: Cluster | None) -> str:
    study = runner.studies[status.step.study]
    if study.missing:
        blocked = status.state is StepState.BLOCKED  # its reason has already said what it waits for
        return "cost not known until that exists" if blocked else f"cost not known: waits for {study.missing}"
    return _estimate(study, runner, cluster)


def _estimate(study: Study, runner: RoadmapRunner, cluster: Cluster | None) -> str:
    from orchestrator.planning.costs import estimate
    from orchestrator.planning.design import design_of

    plan = runner.plan(study)
    text = estimate(plan, runner.latents_of(study), cluster, runner.order.price).text()
    try:
        design_of(plan, runner.latents_of(study), runner.order.out)
    except InputError as error:
        return f"{text}; would be refused: {error}"
    return text
