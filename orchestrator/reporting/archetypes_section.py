"""Archetypes in a report: what recurs beside what surrogates give, and a map of the clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from orchestrator.records.evidence import Replicate
from orchestrator.reporting.cell_text import NO_VALUE, TableRow, interval_text
from orchestrator.reporting.figures import map_figure
from orchestrator.reporting.judged_run import JudgedRun
from orchestrator.reporting.page_section import Section
from orchestrator.reporting.templating import sound_address
from orchestrator.statistics.wording import number
from trainables.latents.batching.surrogates import SURROGATES

KIND = "archetypes"  # the trainable
_METRICS = (
    ("mean_cluster_cosine", "tightness: mean cosine to the nearest centroid"),
    ("random_centroid_cosine", "… where random training directions stand for centroids"),
    ("cross_speaker_accuracy", "steps put into the same cluster by halves of the speakers"),
    ("cross_part_accuracy", "… by halves of all utterances"),
    ("speaker_independence", "the first of these over the second"),
    ("membership_information", "what the past says about the cluster, nats"),
    ("acoustic_correlation", "acoustic change that clusters explain, as a share"),
    ("acoustic_spectral_flux", "… spectral flux"),
    ("acoustic_pitch_change", "… pitch change"),
    ("acoustic_energy_change", "… energy change"),
)
_FEATURES = {
    "spectral_flux": "spectral flux",
    "pitch_change": "pitch change",
    "energy_change": "energy change",
}


def archetypes_section(run: JudgedRun) -> Section | None:
    """What was found, for the first arm that looked for archetypes; None where nothing was measured."""
    arms = [arm for arm in run.arms if run.evidence.arms[arm].config.kind == KIND]
    if not arms:
        return None
    arm = arms[0]
    evidence = run.evidence.arms[arm]
    content = {
        "rows": archetype_rows(arm, run),
        "tried": _tried(run, arm),
        "clusters": evidence.config.structure.clusters,
        "maps": cluster_maps(evidence.replicates),
        "exhibits": exemplar_clips(evidence.replicates),
        "level": run.level,
    }
    return Section("archetypes", "what recurs", "archetypes.html", content)


def archetype_rows(arm: str, run: JudgedRun) -> list[TableRow]:
    """Every metric on real frames and on both surrogates; those that nobody measured are left out."""
    rows = []
    for metric, title in _METRICS:
        intervals = [run.measures.value(arm, metric, surrogate=surrogate) for surrogate in SURROGATES]
        if any(intervals):
            rows.append([title, *map(interval_text, intervals)])
    return rows


def cluster_maps(replicates: Sequence[Replicate]) -> list[Markup]:
    """Maps of the clusters of the first replicate that has one, coloured by each acoustic feature."""
    details = next((r.details for r in replicates if r.details.get("profile")), None)
    if details is None:
        return []
    profiles = details["profile"].items()
    return [
        Markup(map_figure(f"map-{name}", details["map"], details["shares"], values, _FEATURES[name]))
        for name, values in profiles
        if any(values)
    ]


def exemplar_clips(replicates: Sequence[Replicate]) -> list[dict[str, Any]]:
    """The clips of each cluster that was decoded, with what its steps sound like."""
    details = next((r.details for r in replicates if r.details.get("exemplars")), {})
    clips: dict[int, list[tuple[str, str]]] = {}
    for e in details.get("exemplars", []):
        if "clip" in e:
            who = f"{e['speaker_id']}, {e['utterance_id']} at {e['seconds']:.2f} s"
            clips.setdefault(e["cluster"], []).append((who, sound_address(e["clip"])))
    return [
        {"name": cluster + 1, "character": _character(cluster, details["profile"]), "clips": own}
        for cluster, own in clips.items()
    ]


def _character(cluster: int, profile: Mapping[str, Sequence[float]]) -> str:
    """By how many standard deviations its mean step is off in each feature."""
    parts = [
        f"{_FEATURES[name]} {number(values[cluster])}" for name, values in profile.items() if any(values)
    ]
    return ", ".join(parts)


def _tried(run: JudgedRun, arm: str) -> list[TableRow]:
    """The objective on validation speakers of every number of clusters."""
    explored = [(e.config.structure.clusters, e.objective) for e in run.evidence.arms[arm].explored]
    return [[str(k), NO_VALUE if value is None else number(value)] for k, value in sorted(explored)]
