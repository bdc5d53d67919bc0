"""How far a roadmap has come on some latents: the states that follow from its log, and advice in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.roadmap.gates import Outlook, RecordedVerdict, Status, StepState, decide
from orchestrator.roadmap.log import ENDED, Entry, ended
from search_spaces.roadmap import GO, INADMISSIBLE, NO_GO, Roadmap
from search_spaces.study import Study, criteria_hash


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The state of a roadmap on some latents, with everything that its page and its plan show."""

    outlook: Outlook
    studies: Mapping[str, Study]
    entries: tuple[Entry, ...]  # on these latents, in order
    verdicts: Mapping[str, Entry]  # of each study that is DONE, the entry that counts
    others: tuple[str, ...] = ()  # folders of the latents that are compared with these
    latents: str  # as the user named them
    representation: str  # of these latents
    until: int | None
    smoke: bool

    @property
    def active(self) -> str:
        """The representation that the next step runs on."""
        return self.outlook.representation or self.representation

    def last(self, study: str) -> Entry | None:
        """The last entry of a study that ended, whether it counts or not; None where there is none."""
        ends = [entry for entry in self.entries if (entry.study, entry.event) == (study, ENDED)]
        return ends[-1] if ends else None


def outlook_from_log(
    roadmap: Roadmap,
    studies: Mapping[str, Study],
    entries: Sequence[Entry],
    data_hash: str,
    hash_of: Callable[[str], str | None],
    until: int | None = None,
    circumstances: str = "",
) -> tuple[Outlook, dict[str, Entry]]:
    """The state of every step by the log, and the entry that counts for each study that is DONE.

    ``data_hash`` is the hash of the latents that the roadmap began on; ``hash_of`` gives that of a
    representation that a verdict has switched to. An INADMISSIBLE verdict counts while nothing has changed,
    which is as long as the ``circumstances`` are those it was found in; then the study is to be run again.
    """

    def counted(latents: str | None) -> dict[str, Entry]:
        ends = {n: ended(entries, n, criteria_hash(s), latents or "") for n, s in studies.items()}
        return {
            n: e
            for n, e in ends.items()
            if e and (e.verdict != INADMISSIBLE or (e.circumstances and e.circumstances == circumstances))
        }

    def outlook(verdicts: Mapping[str, Entry]) -> Outlook:
        recorded = {
            n: RecordedVerdict(e.verdict, e.reason, e.winner, e.representation) for n, e in verdicts.items()
        }
        missing = {name: study.missing for name, study in studies.items()}
        return decide(roadmap, recorded, missing, until)

    verdicts = counted(data_hash)
    first = outlook(verdicts)
    if first.representation:
        switching = [s.step.study for s in first.statuses if s.recorded and s.recorded.winner]
        later = {n: e for n, e in counted(hash_of(first.representation)).items() if n not in switching}
        verdicts = {**verdicts, **later}
    final = outlook(verdicts)
    return final, {s.step.study: verdicts[s.step.study] for s in final.of(StepState.DONE)}


def advice(standing: Standing) -> list[str]:
    """The decisions so far, with the reason where nothing was decided, and what to do next: a line each."""
    done = standing.outlook.of(StepState.DONE)
    parts = ["Smoke runs, far too small to be evidence."] if standing.smoke else []
    parts += [_decision(status) for status in done] or ["Nothing is decided yet."]
    return [*parts, *what_is_next(standing)]


def what_is_next(standing: Standing) -> list[str]:
    """What to do next, and on which latents: a sentence each."""
    outlook, parts = standing.outlook, []
    if outlook.representation:
        parts.append(f"Later steps run on the latents of {outlook.representation}.")
        parts += [
            f"{status.step.study} failed on {status.recorded.representation}: "
            f"ask it again on {outlook.representation}."
            for status in outlook.of(StepState.DONE)
            if status.recorded
            and status.verdict == NO_GO
            and status.recorded.representation not in ("", outlook.representation)
        ]
    return [*parts, *_next(standing)]


def _decision(status: Status) -> str:
    study, verdict = status.step.study, status.verdict
    reason = "" if verdict in (GO, NO_GO) else f": {status.reason.rstrip('.')}"
    return f"{study} is {verdict}{reason}. {status.step.consequences[verdict]}"


def _next(standing: Standing) -> list[str]:
    outlook = standing.outlook
    if outlook.ready:
        first, *others = outlook.ready
        return [f"Next: run {first} on {standing.active}{'; then ' if others else ''}{', '.join(others)}."]
    parts = _blocked(outlook)
    held = [s.step.study for s in outlook.of(StepState.HELD)]
    beyond = [s.step.study for s in outlook.of(StepState.BEYOND)]
    if held:
        parts.append(f"Held until an earlier study ends GO or NO-GO: {', '.join(held)}.")
    if beyond:
        parts.append(f"Beyond tier {standing.until}: {', '.join(beyond)}; raise --until to go on.")
    return parts or ["The roadmap is at its end."]


def _blocked(outlook: Outlook) -> list[str]:
    """What has to be built before anything else can run; studies that the verdicts so far open come first."""
    blocked = {status.step.study: status for status in outlook.of(StepState.BLOCKED)}
    if not blocked:
        return []
    opened = [name for s in outlook.of(StepState.DONE) for name in s.step.consequences[s.verdict].opens]
    first, *others = dict.fromkeys([*(name for name in opened if name in blocked), *blocked])
    also = f" Not built either: what {', '.join(others)} need{'s' * (len(others) == 1)}." if others else ""
    return [f"Next is {first}, which cannot run yet: it waits for {blocked[first].missing}.{also}"]
