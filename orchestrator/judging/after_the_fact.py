"""Results that others measured, judged without a seal: what that verdict is called, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.datasets.fewest_speakers import FEWEST_SPEAKERS
from orchestrator.judging.measures import Measures
from orchestrator.records.evidence import ArmEvidence, Evidence
from orchestrator.statistics.power import fewest_seeds, smallest_p
from search_spaces.study import Plant, Study
from trainables.latents.batching.surrogates import NULLS, Surrogate
from trainables.latents.storage.dataset import Split

NOT_SEALED = "not sealed: judged after the fact"


def too_few_seeds(study: Study, evidence: Evidence, alpha: float) -> str:
    """Why results with few seeds decide nothing, a sentence; empty where they may. A sweep's plan with so few
    is refused before it begins.
    """
    few = {arm: count for arm, count in _seeds(study, evidence).items() if count < fewest_seeds(alpha)}
    if not few:
        return ""
    counts = ", ".join(f"{count} of the {arm} arm" for arm, count in few.items())
    return (
        f"Too few seeds to decide ({counts}): {min(few.values())} paired seeds can never fall below p = "
        f"{smallest_p(min(few.values())):.2g} in a sign-flip test at alpha {alpha:g}; "
        f"{fewest_seeds(alpha)} can."
    )


def shortcomings(study: Study, evidence: Evidence, measures: Measures, alpha: float) -> tuple[str, ...]:
    """What results of others lack that a sweep would have, a sentence each, with what it costs the reader."""
    return tuple(
        sentence
        for sentence in (
            *evidence.provenance.get("notes", ()),
            *_of_seeds(study, evidence, alpha),
            *_of_units(study, evidence, measures),
            *_of_nulls(study, evidence, measures),
            *_of_plants(study, evidence),
            *_of_learning(study, evidence),
        )
        if sentence
    )


def _arms(study: Study, evidence: Evidence) -> dict[str, ArmEvidence]:
    """The arms that binding criteria name and of which there is something."""
    names = (name for c in study.binding if not c.needs_decoder for name in (c.arm, c.versus))
    return {name: evidence.arms[name] for name in dict.fromkeys(names) if name in evidence.arms}


def _seeds(study: Study, evidence: Evidence) -> dict[str, int]:
    return {name: len({r.seed for r in arm.replicates}) for name, arm in _arms(study, evidence).items()}


def _of_seeds(study: Study, evidence: Evidence, alpha: float) -> Iterator[str]:
    counts, fewest = _seeds(study, evidence), fewest_seeds(alpha)
    single = [arm for arm, count in counts.items() if count < 2]
    if single:
        yield (
            f"No seeds: what is known of {_joined(single)} comes from one training, so there is no interval "
            f"over seeds, and another training may give another number; train each arm on {fewest} seeds."
        )
    if any(1 < count < fewest for count in counts.values()):
        yield too_few_seeds(study, evidence, alpha)


def _of_units(study: Study, evidence: Evidence, measures: Measures) -> Iterator[str]:
    few = {a: n for a in _arms(study, evidence) if (n := measures.speakers(a)) < FEWEST_SPEAKERS[Split.TEST]}
    if few:
        yield (
            f"No units: what is known of {_joined(list(few))} is of {max(few.values())} "
            f"unit{'s' * (max(few.values()) != 1)}, so nothing is said of others; give a row for each "
            "speaker."
        )


def _of_nulls(study: Study, evidence: Evidence, measures: Measures) -> Iterator[str]:
    for criterion in study.binding:
        missing = [
            str(null)
            for null in (criterion.nulls if criterion.beats_null else NULLS[:1])
            if measures.value(criterion.arm, criterion.metric, surrogate=Surrogate(null)) is None
        ]
        measured = measures.value(criterion.arm, criterion.metric) is not None
        if missing and measured and not criterion.needs_decoder:
            cosine = "cos" in criterion.metric
            what = (
                "a cosine proves nothing: one step ahead, frames that are independent of each other have "
                "one of 0.71"
                if cosine
                else f"{criterion.metric} is measured against nothing"
            )
            yield (
                f"No null of {criterion.arm}: {what}; train it again on the same frames shuffled in time "
                f"(surrogate {', '.join(missing)})."
            )


def _of_plants(study: Study, evidence: Evidence) -> Iterator[str]:
    blind = [name for name, arm in _arms(study, evidence).items() if not arm.plants]
    if study.plant is not Plant.NONE and blind:
        yield (
            f"No plant ({study.plant}): whether {_joined(blind)} would have found what is there is not "
            "known, so a failure may be one of the instrument."
        )


def _of_learning(study: Study, evidence: Evidence) -> Iterator[str]:
    arms = _arms(study, evidence)
    trained = {n: arm for n, arm in arms.items() if arm.config.trainable.phases(arm.config.structure)}
    without = [name for name, arm in trained.items() if not any(r.history for r in arm.replicates)]
    if without:
        yield (
            f"No learning curves: whether {_joined(without)} still learnt when its training ended is not "
            "known, so a failure may be one of the budget."
        )
    unridged = [name for name, arm in trained.items() if not arm.ridge]
    if unridged:
        yield f"No ridge regression on the same past: {_joined(unridged)} may be worse than that."


def _joined(arms: list[str]) -> str:
    return " and ".join(arms)
