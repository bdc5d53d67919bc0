"""Verdicts of sealed runs that lie in a folder of runs, whoever began them: a sweep or a roadmap."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from orchestrator.datasets.collection import LatentCollection
from orchestrator.records.journal import Journal
from orchestrator.records.seal import NAME_SEPARATOR, study_changes
from orchestrator.roadmap.log import ENDED, Entry
from orchestrator.statistics import beliefs
from search_spaces.effort import EFFORTS
from search_spaces.study import Role, Study, StudyError, criteria_hash
from trainables.errors import InputError
from trainables.latents.storage.dataset import LatentDataset

# The latents of a representation; None where there are none.
DatasetOf = Callable[[str], LatentDataset | None]


def sealed_verdicts(
    out: Path,
    studies: Mapping[str, Study],
    compared: Sequence[str],
    dataset_of: DatasetOf,
    effort: str,
    declared: Callable[[str], Study],
) -> list[Entry]:
    """The verdicts of all sealed runs in ``out`` that answer some studies on some latents, the oldest first.

    A run counts where its study is declared as it was when it was sealed, no setting of it was changed by
    hand, it trained with at least this effort, and its data are those that ``dataset_of`` gives. Smoke runs
    do not count, and neither do runs that cannot be read.

    Args:
        out: the folder of runs.
        studies: by name.
        compared: the representations that a study which compares takes, the reference first.
        dataset_of: gives the latents of a representation.
        effort: the least that counts.
        declared: gives a study as it is declared, bound to no latents.
    """
    entries = []
    for path in sorted(out.glob("*/verdict.json")):
        try:
            seal = _seal(path.parent)
            if seal is None or not _answers(seal, studies, compared, dataset_of, effort, declared):
                continue
            first = dataset_of(_names(seal)[0])
            if first is not None:
                asked = seal["study"]
                entries.append(ended_entry(studies[asked["name"]], path.parent, first, asked["effort"]))
        except (InputError, StudyError, KeyError, TypeError, IndexError):
            continue  # what cannot be read is no verdict
    return sorted(entries, key=lambda entry: entry.time)


def merged(logged: Sequence[Entry], found: Iterable[Entry]) -> list[Entry]:
    """The log with the verdicts that it does not hold: of other runs, or of its own, judged again since."""
    verdicts = {entry.run: entry.verdict for entry in logged if entry.event == ENDED}
    new = [entry for entry in found if verdicts.get(entry.run) != entry.verdict]
    return sorted([*logged, *new], key=lambda entry: entry.time)


def ended_entry(
    study: Study, folder: Path, latents: LatentDataset, effort: str, smoke: bool = False
) -> Entry:
    """The entry of a run that was judged, from its records.

    Raises:
        InputError: they cannot be read.
    """
    judgement, evidence = record_of(folder / "verdict.json"), record_of(folder / "evidence.json")
    provenance = evidence.get("provenance", {})
    return Entry(
        ENDED,
        study.name,
        criteria_hash(study),
        latents.content_hash,
        latents.meta.representation,
        folder.name,
        smoke=smoke,
        time=round((folder / "verdict.json").stat().st_mtime, 3),
        verdict=judgement["verdict"],
        reason=judgement["reason"],
        consequence=judgement.get("consequence", ""),
        winner=_winner(study, evidence),
        prior=judgement["prior"],
        posterior=_posterior(study, judgement),
        cost=evidence.get("cost", {}),
        figure=_decisive(judgement),
        forced=judgement.get("forced", ""),
        circumstances=circumstances(provenance.get("code_of_verdict", ""), effort, provenance.get("seed")),
    )


def circumstances(code: str, effort: str, seed: int | None) -> str:
    """What has to change before a study that ended INADMISSIBLE is run again, beside data and declaration."""
    return f"code {code}, effort {effort}, seed {seed}" if code and seed is not None else ""


def record_of(path: Path) -> dict[str, Any]:
    """A record of a sweep; it is shared between those who read it, and not to be changed.

    Raises:
        InputError: it cannot be read.
    """
    try:
        content = _parsed(path, path.stat().st_mtime_ns)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); run its sweep again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is no record of a sweep; run its sweep again")
    return content


@lru_cache(maxsize=256)
def _parsed(path: Path, _: int) -> Any:
    return json.loads(path.read_text())


def _seal(folder: Path) -> dict[str, Any] | None:
    """The seal of a run that is no smoke run and was judged, else None."""
    journal = Journal(folder)
    planned, sealed = journal.events("planned"), journal.events("sealed")
    if not sealed or not journal.events("judged") or planned[0]["arguments"].get("smoke"):
        return None
    seal: dict[str, Any] = sealed[0]["seal"]
    return seal


def _names(seal: Mapping[str, Any]) -> list[str]:
    names: list[str] = seal["data"]["representation"].split(NAME_SEPARATOR)
    return names


def _answers(
    seal: Mapping[str, Any],
    studies: Mapping[str, Study],
    compared: Sequence[str],
    dataset_of: DatasetOf,
    effort: str,
    declared: Callable[[str], Study],
) -> bool:
    """Whether a sealed run has answered one of the studies, as it is declared now, on these latents."""
    asked, names = seal["study"], _names(seal)
    if asked["name"] not in studies or asked["settings"]:
        return False
    if study_changes(seal, declared(asked["name"])):
        return False
    ranks = list(EFFORTS)
    if ranks.index(asked["effort"]) < ranks.index(effort):
        return False
    if studies[asked["name"]].compares and (names[0], set(names)) != (compared[0], set(compared)):
        return False
    datasets = [dataset for name in names if (dataset := dataset_of(name)) is not None]
    if len(datasets) < len(names):
        return False
    return LatentCollection(tuple(datasets)).content_hash == seal["data"]["hash"]


def _decisive(judgement: Mapping[str, Any]) -> dict[str, Any]:
    """The criterion that a verdict hangs on; of a record that does not name it, the primary one."""
    name, criteria = judgement.get("decisive"), judgement.get("criteria", [])
    named = [c for c in criteria if (c["name"] == name if name else c.get("role") == Role.PRIMARY)]
    return dict(named[0]) if named else {}


def _winner(study: Study, evidence: Mapping[str, Any]) -> str:
    """The representation that the winning arm ended with, in a study about representations."""
    if not study.compares:
        return ""
    arm = evidence.get("arms", {}).get(study.primary.arm)
    return "" if arm is None else str(arm["config"]["representation"])


def _posterior(study: Study, judgement: Mapping[str, Any]) -> float:
    if judgement.get("posterior") is not None:
        return float(judgement["posterior"])
    prior, budget = float(judgement["prior"]), study.budget
    return beliefs.posterior(prior, judgement["verdict"], budget.alpha, budget.power)
