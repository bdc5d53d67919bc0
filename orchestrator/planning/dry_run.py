"""What ``--dry-run`` prints: the plan, its expected cost, and where its results would be written."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TypedDict

from orchestrator.datasets.collection import LatentCollection
from orchestrator.judging.preference import FEWEST_LISTENERS, PAIRS, asked_of_listeners, detectable_preference
from orchestrator.planning.costs import Costs, estimate, largest_settings
from orchestrator.planning.design import Design, design_of
from orchestrator.planning.plan import Plan
from orchestrator.records.ablation_evidence import variants
from orchestrator.runtime.ray_cluster import connected
from orchestrator.runtime.secrets import without_passwords
from orchestrator.runtime.terminal_text import wrapped
from orchestrator.statistics.power import replicates_to_bound, share_bounded_by
from orchestrator.statistics.wording import spoken
from search_spaces.domains import Choice, Domain
from trainables.latents.storage.dataset import SPLITS, LatentDataset, Split

_SOUND_SEEDS = 0.9  # the share of seeds that a plan says how to show, where a study asks for none
_INDENT = 12  # of what stands beside a heading
_SETTING_INDENT = 23  # of the value of a setting


class PlanAnswer(TypedDict):
    """What a sweep would do: its arms and budgets, the data, what it can detect, and what it would cost."""

    study: str
    title: str
    arms: list[str]
    trials: int
    replicates: int
    representations: list[str]
    data_hash: str
    speakers: dict[str, int]
    metric: str
    success: float
    failure: float
    detectable_effect: float
    power: float
    alpha: float
    lanes: int
    device_hours: list[float]
    wall_hours: list[float]
    disk_bytes: int
    price: list[float] | None
    text: str


def dry_run(
    plan: Plan, latents: LatentCollection, address: str | None, out: Path, price: float | None = None
) -> PlanAnswer:
    """The plan of a sweep, with its text. Nothing is trained; the costs are timed on the cluster at
    ``address``, or on this machine where it is None.

    Raises:
        InputError: the design cannot decide.
    """
    design = design_of(plan, latents, out)
    with connected(address) if address else nullcontext() as cluster:
        expected = estimate(plan, latents, cluster, price)
    return {
        "study": plan.study.name,
        "title": plan.study.title,
        "arms": [arm.name for arm in plan.study.arms],
        "trials": plan.trials,
        "replicates": plan.replicates,
        "representations": list(latents.representations),
        "data_hash": latents.content_hash,
        "speakers": {str(split): len(latents.first.speakers(split)) for split in SPLITS},
        "metric": design.criterion.metric,
        "success": design.criterion.success,
        "failure": design.criterion.failure,
        "detectable_effect": design.effect,
        "power": design.power,
        "alpha": 1 - design.level,
        "lanes": expected.lanes,
        "device_hours": list(expected.device_hours),
        "wall_hours": list(expected.wall_hours),
        "disk_bytes": expected.disk_bytes,
        "price": None if expected.price is None else list(expected.price),
        "text": _text(plan, latents, address, out, expected, design),
    }


def _text(
    plan: Plan, latents: LatentCollection, address: str | None, out: Path, expected: Costs, design: Design
) -> str:
    entries = [
        *(line for dataset in latents for line in _data_lines(dataset)),
        f"explore     {plan.trials} configurations per arm in {plan.packs} packs of up to {plan.lanes} "
        f"lanes, {plan.random_trials} at random and the others by their results, maximising "
        f"{spoken(plan.study.objective)} on validation speakers; {_repeated(plan)}{_shortened(plan)}",
        f"confirm     {plan.replicates} replicates per arm, and {plan.controls_text}, "
        + (
            "judged once on test speakers"
            if plan.study.budget.looks == 1
            else f"judged in up to {plan.study.budget.looks} looks at test speakers"
        ),
        *_seed_lines(plan),
        *_assay_lines(plan),
        *_ablation_lines(plan),
        *_listener_lines(plan, latents),
        f"work        {_effort(plan)}; {_work(plan, latents)}",
        expected.text().replace("expected: ", "expected    "),
        design.text().replace("design: ", "design      "),
        f"device      {_device(address)}; {plan.workers} worker{'s' * (plan.workers != 1)} per pack",
        f"run folder  {out}/{plan.study.name}-<date>-<time>",
        f"MLflow      {without_passwords(os.environ.get('MLFLOW_TRACKING_URI', 'sqlite:///mlflow.db'))}",
    ]
    lines = [*wrapped(plan.study.title), ""]
    lines += [line for entry in entries for line in wrapped(entry, hanging=_INDENT)]
    for arm in plan.study.arms:
        settings = {name: str(value) for name, value in sorted(plan.fixed(arm).items())}
        settings |= {name: _in_words(domain) for name, domain in plan.space(arm).items()}
        lines += ["", *wrapped(f"arm {arm.name}: {arm.title}", hanging=4)]
        if plan.settled(arm) is None:
            lines += wrapped(
                f"{'structures':20} {plan.coverage(arm).text}", indent=2, hanging=_SETTING_INDENT
            )
        for name, value in settings.items():
            lines += wrapped(f"{name:20} {value}", indent=2, hanging=_SETTING_INDENT)
    return "\n".join(lines)


def _repeated(plan: Plan) -> str:
    if not plan.repeats:
        return "none of them on a second seed, on which so few could not be told apart"
    return f"{plan.repeats} of them on a second seed too"


def _shortened(plan: Plan) -> str:
    share = plan.study.budget.exploration
    return "" if share == 1 else f"; with {100 * share:.3g} % of the epochs that a winner trains"


def _seed_lines(plan: Plan) -> list[str]:
    """What the number of replicates says about seeds that fail, and how many would say more."""
    asked = max((c.seeds for c in plan.study.criteria), default=0.0) or _SOUND_SEEDS
    bound, enough = share_bounded_by(plan.replicates), replicates_to_bound(asked)
    return [
        f"seeds       should all {plan.replicates} replicates of an arm succeed, at least "
        f"{100 * bound:.0f} % of its seeds do (exact, 95 %); --replicates {enough} would show "
        f"{100 * asked:.3g} %"
    ]


def _assay_lines(plan: Plan) -> list[str]:
    worlds = ", ".join(f"{world} ({verdict})" for world, verdict in plan.study.controls.items())
    return [f"assay       control worlds through the same code: {worlds}"] if worlds else []


def _ablation_lines(plan: Plan) -> list[str]:
    parts = ", ".join(" + ".join(variant.components) for variant in variants(plan.study))
    if not parts or not plan.ablate:
        return []
    known = [" + ".join(v.components) for v in variants(plan.study) if v.known_harm and plan.plants]
    planted = f"; without {', '.join(known)} on planted frames too" if known else ""
    return [f"ablate      the winner without {parts}{planted}"]


def _listener_lines(plan: Plan, latents: LatentCollection) -> list[str]:
    """What a panel of listeners could decide, where a study asks them and its latents can be heard."""
    if asked_of_listeners(plan.study) is None or latents.first.meta.codec is None:
        return []
    tells = (
        f"{listeners} tell a preference of {100 * detectable_preference(PAIRS, listeners, plan.study):.0f} %"
        for listeners in (FEWEST_LISTENERS, 2 * FEWEST_LISTENERS)
    )
    return [
        f"listeners   of {PAIRS} pairs {', '.join(tells)} from none with power {plan.study.budget.power:g}; "
        "`python -m orchestrator.listen make` asks them"
    ]


def _data_lines(dataset: LatentDataset) -> list[str]:
    meta = dataset.meta
    return [
        f"data        {dataset.root}: {meta.representation}, {meta.dim} dimensions at {meta.frame_rate:g} Hz",
        *(f"{'':{_INDENT}}{split}: {_amount(dataset, split)}" for split in SPLITS),
    ]


def _amount(dataset: LatentDataset, split: Split) -> str:
    seconds = dataset.frames(split) / dataset.meta.frame_rate
    return (
        f"{len(dataset.speakers(split))} speakers, {len(dataset.utterances(split))} utterances, "
        f"{dataset.frames(split):,} frames ({seconds / 60:.1f} min)"
    )


def _effort(plan: Plan) -> str:
    changed = ", ".join(f"{name} {value}" for name, value in plan.study.settings.items())
    return f"effort {plan.study.effort}" + (f" with {changed}" if changed else "")


def _work(plan: Plan, latents: LatentCollection) -> str:
    frames = _frames(plan, latents)
    if not frames:
        return "nothing is trained"
    return f"{frames / 1e6:,.3g} million training frames at most, over all lanes, before any ablation"


def _frames(plan: Plan, latents: LatentCollection) -> int:
    total = 0
    for arm in plan.study.arms:
        config = largest_settings(plan, arm, latents)
        frames = latents.of(config.structure.representation).frames(Split.TRAIN)
        exploring, judged = (
            config.trainable.frames_seen(each.structure, frames)
            for each in (config | plan.exploring_lengths(arm), config)
        )
        total += (plan.trials + plan.repeats) * exploring + plan.confirmed_lanes(arm.name) * judged
    return total


def _device(address: str | None) -> str:
    if address:
        return f"the Ray cluster at {address}"
    gpus = len(list(Path("/dev").glob("nvidia[0-9]*")))
    return f"this machine, {gpus} GPUs" if gpus else f"this machine, {os.cpu_count()} CPU cores"


def _in_words(domain: Domain) -> str:
    if isinstance(domain, Choice):
        return "one of " + ", ".join(map(str, domain.options))
    return f"{domain.low:g} to {domain.high:g}" + (", logarithmic" if domain.log else "")
