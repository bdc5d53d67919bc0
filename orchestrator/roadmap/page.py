"""The roadmap as one page: what was decided and what to do next, the graph, beliefs, and what it has cost.

``roadmap.html`` loads nothing from anywhere; ``roadmap.md`` and ``roadmap.json`` beside it say the same.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from markupsafe import Markup

from orchestrator.reporting.cell_text import NO_VALUE, hours_text
from orchestrator.reporting.templating import render
from orchestrator.roadmap.conclusions import conclusions
from orchestrator.roadmap.deciding import beside_text, deciding_text, planned_text
from orchestrator.roadmap.gates import Status, verdicts_in_words
from orchestrator.roadmap.graph import edges, graph, graph_text
from orchestrator.roadmap.log import ENDED
from orchestrator.roadmap.status import Standing, advice, what_is_next
from orchestrator.runtime.atomic_files import write_atomically
from orchestrator.runtime.markdown_text import as_code, as_table, as_text
from orchestrator.statistics import beliefs

_STATES = {
    "DONE": "has its verdict",
    "READY": "can run now",
    "HELD": "waits for a study that has ended neither GO nor NO-GO yet",
    "BLOCKED": "may run, but what it needs does not exist yet",
    "SKIPPED": "an earlier verdict has closed the way to it",
    "BEYOND": "belongs to a later tier than was asked for",
}


def write_roadmap(folder: Path, standing: Standing) -> Path:
    """Write page, Markdown and JSON into ``folder`` and return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    context = _context(standing)
    machine = json.dumps(roadmap_to_json(standing), indent=1, ensure_ascii=False, allow_nan=False)
    name = "roadmap-smoke" if standing.smoke else "roadmap"
    write_atomically(folder / f"{name}.json", machine)
    write_atomically(folder / f"{name}.md", _markdown(context))
    page = folder / f"{name}.html"
    write_atomically(page, render("roadmap.html", Path(__file__).parent, **context))
    return page


def roadmap_to_json(standing: Standing) -> dict[str, Any]:
    """The page's content as plain data, for programs."""
    outlook = standing.outlook
    return {
        "title": outlook.roadmap.title,
        "source": outlook.roadmap.source,
        "smoke": standing.smoke,
        "latents": standing.latents,
        "representation": standing.active,
        "until": standing.until,
        "advice": " ".join(advice(standing)),
        "next": list(outlook.ready),
        "settled": [
            {"decision": s.settles, "study": s.step.study, "verdict": s.verdict} for s in outlook.settled
        ],
        "steps": [_step(status, standing) for status in outlook.statuses],
        "edges": [edge.text for edge in edges(outlook.roadmap)],
        "compared": list(standing.others),
        "believed": conclusions(outlook, standing.studies, standing.verdicts),
        "brier": _brier(standing),
        "spent": _spent(standing),
    }


def _step(status: Status, standing: Standing) -> dict[str, Any]:
    step, entry = status.step, standing.verdicts.get(status.step.study)
    return {
        "study": step.study,
        "tier": step.tier,
        "state": str(status.state),
        "verdict": status.verdict or None,
        "reason": status.reason,
        "gate": [[str(condition) for condition in alternative] for alternative in step.gate],
        "consequence": step.consequences[status.verdict].text if status.verdict else None,
        "missing": status.missing or None,
        "prior": standing.studies[step.study].prior.probability if entry is None else entry.prior,
        "posterior": entry.posterior if entry else None,
        "representation": entry.representation if entry else None,
        "run": entry.run if entry else None,
        "cost": entry.cost if entry else {},
        "figure": entry.figure if entry else {},
        "forced": _forced(status, standing),
    }


def _forced(status: Status, standing: Standing) -> dict[str, str] | None:
    """The newest verdict of a study that was run although its gate was not open; None where there is none."""
    last = standing.last(status.step.study)
    if last is None or not last.forced:
        return None
    return {"verdict": last.verdict, "run": last.run, "gate": last.forced}


def _brier(standing: Standing) -> dict[str, Any] | None:
    """How good the priors were, over the verdicts that say yes or no."""
    score = beliefs.brier((e.prior, e.verdict) for e in standing.verdicts.values() if e.prior is not None)
    return None if score is None else {"score": score.score, "count": score.count}


def _spent(standing: Standing) -> dict[str, Any]:
    """Over every run on these latents, whether its verdict still counts or not; missing is not zero."""
    costs = [e.cost.get("spent") or {} for e in standing.entries if e.event == ENDED]
    total: dict[str, Any] = {"runs": len(costs)}
    for name in ("device_hours", "wall_hours", "price"):
        known = [float(cost[name]) for cost in costs if cost.get(name) is not None]
        total[name] = math.fsum(known) if known else None
        total[f"{name}_known"] = len(known)
    return total


def _context(standing: Standing) -> dict[str, Any]:
    outlook, record = standing.outlook, roadmap_to_json(standing)
    believed = {step["study"]: _belief(step) for step in record["steps"]}
    return {
        **record,
        "graph": Markup(graph(outlook, believed)),
        "graph_text": graph_text(outlook),
        "rows": [_row(step, status) for step, status in zip(record["steps"], outlook.statuses, strict=True)],
        "then": " ".join(what_is_next(standing)),
        "tiers": outlook.roadmap.tiers,
        "legend": _STATES,
        "cost": _spent_text(record["spent"]),
        "score": _brier_text(record["brier"]),
        "belief_rule": beliefs.RULE,
        "progress": f"{len(outlook.settled)} decided, {len(outlook.ready)} ready, "
        f"{len(outlook.statuses)} steps in all",
        "written": time.strftime("%Y-%m-%d %H:%M"),
    }


def _row(step: dict[str, Any], status: Status) -> dict[str, Any]:
    spent = step["cost"].get("spent") or {}
    follows = status.step.consequences[status.verdict] if status.verdict else None
    return {
        **step,
        "key": status.key,
        "belief": _belief(step),
        "spent": hours_text(spent.get("device_hours")),
        "planned": planned_text(step["cost"]),
        "deciding": deciding_text(step["figure"]),
        "beside": beside_text(step["figure"]),
        "needs": "" if () in status.step.gate else verdicts_in_words(status.step.gate),
        "follows": "" if follows is None else str(follows),
        "source": status.step.source,
    }


def _belief(step: dict[str, Any]) -> str:
    prior, posterior = step["prior"], step["posterior"]
    return f"prior {prior:.2f}" if posterior is None else f"{prior:.2f} → {posterior:.2f}"


def _spent_text(spent: dict[str, Any]) -> str:
    if not spent["runs"]:
        return "Nothing has been spent yet."
    runs = f"{spent['runs']} run{'s' * (spent['runs'] != 1)}"
    if spent["device_hours"] is None:
        return f"What {runs} cost was not recorded."
    parts = [f"{hours_text(spent['device_hours'])} of device time"]
    parts += [f"{hours_text(spent['wall_hours'])} by the clock"] if spent["wall_hours"] is not None else []
    parts += [f"{spent['price']:.2f} at the price that was named"] if spent["price"] is not None else []
    unknown = spent["runs"] - spent["device_hours_known"]
    return f"{runs}: {', '.join(parts)}" + (f"; {unknown} without a record of it" if unknown else "") + "."


def _brier_text(brier: dict[str, Any] | None) -> str:
    if brier is None:
        return "No prior has met a verdict yet."
    return (
        f"{brier['score']:.3f} over {brier['count']} verdict{'s' * (brier['count'] != 1)}: 0 is perfect "
        "foresight, and 0.25 is what always saying 0.5 scores."
    )


def _markdown(context: dict[str, Any]) -> str:
    columns = (
        *("study", "tier", "key", "belief", "deciding", "beside"),
        *("planned", "spent", "representation", "reason", "follows"),
    )
    heads = (
        *("study", "tier", "state", "belief", "deciding figure", "null and plant"),
        *("planned", "spent", "latents", "why", "what follows"),
    )
    cells = [[_cell(row[column]) for column in columns] for row in context["rows"]]
    decided = [
        f"- {row['verdict']} {as_code(row['study'])}: {as_text(row['follows'])}"
        for row in context["rows"]
        if row["verdict"]
    ]
    parts = [
        f"# {context['title']}",
        *(["Smoke runs, far too small to be evidence."] if context["smoke"] else []),
        "\n".join(decided) or "Nothing is decided yet.",
        as_text(context["then"]),
        as_table(heads, cells),
        "\n".join(f"- {as_text(line)}" for line in context["graph_text"]),
        f"Brier score: {context['score']}",
        f"Cost so far: {context['cost']}",
        f"Latents: {as_code(context['latents'])}. {as_text(context['source'])}.",
        *_believed_markdown(context["believed"]),
    ]
    return "\n\n".join(parts) + "\n"


def _believed_markdown(believed: dict[str, Any]) -> list[str]:
    """The last page: probabilities, decisions, architecture."""
    probabilities = [
        [row["hypothesis"], row["study"], *map(_probability, (row["previous"], row["prior"], row["now"]))]
        for row in believed["beliefs"]
    ]
    decisions = [[row["title"], row["key"], _cell(row["taken"])] for row in believed["decisions"]]
    parts = [[row["part"], row["is"], _cell(row["because"])] for row in believed["architecture"]]
    return [
        "## What we believe now",
        as_table(("hypothesis", "study", "previous", "before", "now"), probabilities),
        as_table(("decision of section 6.3", "state", "taken"), decisions),
        as_table(("part of the architecture", "what it is", "because of"), parts),
    ]


def _probability(value: float | None) -> str:
    return NO_VALUE if value is None else f"{value:.2f}"


def _cell(value: object) -> str:
    if isinstance(value, list):
        value = "; ".join(value)
    return NO_VALUE if value in (None, "") else str(value)
