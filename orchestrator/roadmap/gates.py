"""What verdicts allow: from the roadmap and what was recorded to the state of every step. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from search_spaces.roadmap import GO, NO_GO, Condition, Gate, Roadmap, Step


class StepState(StrEnum):
    """Where a step stands."""

    DONE = "DONE"  # a verdict was recorded
    READY = "READY"  # its gate is open and it can run
    HELD = "HELD"  # its gate waits for a study that has not said yes or no
    SKIPPED = "SKIPPED"  # its gate can no longer open
    BLOCKED = "BLOCKED"  # its gate is open, and what it would run does not exist
    BEYOND = "BEYOND"  # of a later tier than was asked for


@dataclass(frozen=True)
class RecordedVerdict:
    """A verdict on record."""

    verdict: str
    reason: str = ""
    winner: str = ""  # the representation that won, where that was the question
    on: str = ""  # the representation whose latents it was found on


@dataclass(frozen=True)
class Status:
    """A step, its one state, and why."""

    step: Step
    state: StepState
    reason: str
    found: RecordedVerdict | None = None  # where DONE
    missing: str = ""  # what does not exist yet

    @property
    def verdict(self) -> str:
        """The verdict that counts; empty where there is none."""
        return self.found.verdict if self.found else ""

    @property
    def key(self) -> str:
        """State and verdict in one word, for marking."""
        return self.verdict or str(self.state)

    @property
    def settles(self) -> str:
        """The decision that its verdict settles, if any."""
        return self.step.consequences[self.verdict].settles if self.found else ""


@dataclass(frozen=True)
class Outlook:
    """The whole roadmap as it stands."""

    roadmap: Roadmap
    statuses: tuple[Status, ...]

    def status(self, study: str) -> Status:
        """Where a study stands."""
        return next(status for status in self.statuses if status.step.study == study)

    def of(self, *states: StepState) -> tuple[Status, ...]:
        """The steps in one of these states, in the order of the roadmap."""
        return tuple(status for status in self.statuses if status.state in states)

    @property
    def ready(self) -> tuple[str, ...]:
        """The studies that can run now, the next one first."""
        return tuple(status.step.study for status in self.of(StepState.READY))

    @property
    def settled(self) -> tuple[Status, ...]:
        """The steps whose verdict settled a decision."""
        return tuple(status for status in self.statuses if status.settles)

    @property
    def representation(self) -> str:
        """The representation that later steps run on, where a verdict has switched it; else empty."""
        for status in self.statuses:
            if status.found and status.step.consequences[status.verdict].switches:
                return status.found.winner
        return ""


def decide(
    roadmap: Roadmap,
    found: Mapping[str, RecordedVerdict],
    missing: Mapping[str, str],
    until: int | None = None,
) -> Outlook:
    """The state of every step.

    Args:
        roadmap: steps and gates.
        found: the recorded verdict of each study that has one.
        missing: what each study that cannot run waits for.
        until: the last tier that was asked for; None asks for all.

    A verdict counts only while the gate of its step is open: what was found on a branch that an earlier
    study has closed since opens nothing.
    """
    known: dict[str, Status] = {}
    for step in roadmap.steps:
        known[step.study] = _status(step, known, found.get(step.study), missing.get(step.study, ""), until)
    return Outlook(roadmap, tuple(known.values()))


def _status(
    step: Step, known: Mapping[str, Status], found: RecordedVerdict | None, missing: str, until: int | None
) -> Status:
    opened = gate_open(step.gate, known)
    if opened is False:
        return Status(step, StepState.SKIPPED, _closed_by(step.gate, known), missing=missing)
    if opened and found:
        return Status(step, StepState.DONE, found.reason or f"ended {found.verdict}", found, missing)
    if until is not None and step.tier > until:
        return Status(step, StepState.BEYOND, f"tier {step.tier} comes after tier {until}", missing=missing)
    if opened is None:
        return Status(step, StepState.HELD, _waits_for(step.gate, known), missing=missing)
    if missing:
        return Status(step, StepState.BLOCKED, f"waits for {missing}", missing=missing)
    return Status(step, StepState.READY, _opened_by(step.gate, known))


def gate_open(gate: Gate, known: Mapping[str, Status]) -> bool | None:
    """Whether a gate is open; False where it can never open any more, None where that is not known yet."""
    alternatives = [
        _together([_holds(condition, known) for condition in alternative]) for alternative in gate
    ]
    if any(alternatives):
        return True
    return None if None in alternatives else False


def verdicts_in_words(gate: Gate) -> str:
    """A gate in words."""
    told = [" and ".join(map(str, alternative)) for alternative in gate]
    return " or ".join(f"({text})" if " and " in text and len(told) > 1 else text for text in told)


def _together(holds: list[bool | None]) -> bool | None:
    if False in holds:
        return False
    return None if None in holds else True


def _holds(condition: Condition, known: Mapping[str, Status]) -> bool | None:
    status = known[condition.study]
    if status.verdict in (GO, NO_GO):
        return status.verdict == condition.verdict
    return False if status.state is StepState.SKIPPED else None


def _opened_by(gate: Gate, known: Mapping[str, Status]) -> str:
    if () in gate:
        return "nothing has to come first"
    held = next(a for a in gate if _together([_holds(condition, known) for condition in a]))
    return " and ".join(f"{condition.study} ended {condition.verdict}" for condition in held)


def _closed_by(gate: Gate, known: Mapping[str, Status]) -> str:
    return f"{_closing(gate, known)}; it needs {verdicts_in_words(gate)}"


def _closing(gate: Gate, known: Mapping[str, Status]) -> str:
    """The verdicts that closed a gate, be it by closing that of a study it waits for."""
    return " and ".join(_ended(known[s], known) for s in _studies(gate, known, False))


def _ended(status: Status, known: Mapping[str, Status]) -> str:
    if status.verdict:
        return f"{status.step.study} ended {status.verdict}"
    return f"{status.step.study} is skipped because {_closing(status.step.gate, known)}"


def _waits_for(gate: Gate, known: Mapping[str, Status]) -> str:
    """What would open a gate, and what keeps each study that has to say so."""
    possible = tuple(a for a in gate if _together([_holds(condition, known) for condition in a]) is None)
    kept = [f"{study} {_kept(known[study])}" for study in _studies(possible, known, None)]
    return f"waits for {verdicts_in_words(possible)}: {'; '.join(kept)}"


def _kept(status: Status) -> str:
    if status.verdict:
        return f"ended {status.verdict} ({status.reason})"
    if status.state is StepState.READY:
        return "has not been answered yet"
    return f"is {status.state}"


def _studies(gate: Gate, known: Mapping[str, Status], holds: bool | None) -> list[str]:
    """The studies of a gate whose conditions do hold, never will (False) or may (None), each once."""
    told = (condition for alternative in gate for condition in alternative)
    return list(dict.fromkeys(c.study for c in told if _holds(c, known) is holds))
