"""The state of every step of a roadmap, decided from its gates and the recorded verdicts. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from search_spaces.roadmap import GO, NO_GO, Condition, Gate, Roadmap, Step


class StepState(StrEnum):
    """The state of a step of the roadmap."""

    DONE = "DONE"  # a verdict was recorded
    READY = "READY"  # its gate is open and it can run
    HELD = "HELD"  # its gate waits for a study that has ended neither GO nor NO-GO
    SKIPPED = "SKIPPED"  # its gate can no longer open
    BLOCKED = "BLOCKED"  # its gate is open, but something that it would run does not exist
    BEYOND = "BEYOND"  # its tier comes after the last one that was asked for


@dataclass(frozen=True)
class RecordedVerdict:
    """A verdict that the log of a roadmap holds."""

    verdict: str
    reason: str = ""
    winner: str = ""  # the representation that won, where that was the question
    representation: str = ""  # of the latents that the study ran on


@dataclass(frozen=True)
class Status:
    """A step with its one state, and the reason for it."""

    step: Step
    state: StepState
    reason: str
    recorded: RecordedVerdict | None = None  # where DONE
    missing: str = ""  # what does not exist yet, in words

    @property
    def verdict(self) -> str:
        """The verdict of a step that is DONE, else empty."""
        return self.recorded.verdict if self.recorded else ""

    @property
    def key(self) -> str:
        """The verdict where there is one, else the state: one word that marks the step."""
        return self.verdict or str(self.state)

    @property
    def settles(self) -> str:
        """The decision that the verdict of the step settles; empty where there is none."""
        return self.step.consequences[self.verdict].settles if self.recorded else ""


@dataclass(frozen=True)
class Outlook:
    """A roadmap with the state of every step."""

    roadmap: Roadmap
    statuses: tuple[Status, ...]

    def status(self, study: str) -> Status:
        """The status of the step of a study."""
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
            if status.recorded and status.step.consequences[status.verdict].switches:
                return status.recorded.winner
        return ""


def decide(
    roadmap: Roadmap,
    recorded: Mapping[str, RecordedVerdict],
    missing: Mapping[str, str],
    until: int | None = None,
) -> Outlook:
    """The state of every step, from the gates of the roadmap and the recorded verdicts.

    Args:
        roadmap: steps and gates.
        recorded: the verdict of each study that has one.
        missing: what each study that cannot run waits for.
        until: the last tier that was asked for; None asks for all.

    A verdict counts only while the gate of its step is open: a verdict on a branch that an earlier study has
    closed since then opens nothing.
    """
    statuses: dict[str, Status] = {}
    for step in roadmap.steps:
        verdict, gap = recorded.get(step.study), missing.get(step.study, "")
        statuses[step.study] = _status(step, statuses, verdict, gap, until)
    return Outlook(roadmap, tuple(statuses.values()))


def _status(
    step: Step, known: Mapping[str, Status], recorded: RecordedVerdict | None, missing: str, until: int | None
) -> Status:
    opened = gate_open(step.gate, known)
    if opened is False:
        return Status(step, StepState.SKIPPED, _closed_by(step.gate, known), missing=missing)
    if opened and recorded:
        reason = recorded.reason or f"ended {recorded.verdict}"
        return Status(step, StepState.DONE, reason, recorded, missing)
    if until is not None and step.tier > until:
        return Status(step, StepState.BEYOND, f"tier {step.tier} comes after tier {until}", missing=missing)
    if opened is None:
        return Status(step, StepState.HELD, _waits_for(step.gate, known), missing=missing)
    if missing:
        return Status(step, StepState.BLOCKED, f"waits for {missing}", missing=missing)
    return Status(step, StepState.READY, _opened_by(step.gate, known))


def gate_open(gate: Gate, known: Mapping[str, Status]) -> bool | None:
    """Whether a gate is open; False where it can never open any more, None where neither is known yet."""
    alternatives = [
        _together([_holds(condition, known) for condition in alternative]) for alternative in gate
    ]
    if any(alternatives):
        return True
    return None if None in alternatives else False


def verdicts_in_words(gate: Gate) -> str:
    """The verdicts that open a gate, in words: ``(a GO and b GO) or c NO-GO``."""
    texts = [" and ".join(map(str, alternative)) for alternative in gate]
    return " or ".join(f"({text})" if " and " in text and len(texts) > 1 else text for text in texts)


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
    """The verdicts that closed a gate, directly or by closing the gate of a study that it waits for."""
    return " and ".join(_ended(known[s], known) for s in _studies(gate, known, False))


def _ended(status: Status, known: Mapping[str, Status]) -> str:
    if status.verdict:
        return f"{status.step.study} ended {status.verdict}"
    return f"{status.step.study} is skipped because {_closing(status.step.gate, known)}"


def _waits_for(gate: Gate, known: Mapping[str, Status]) -> str:
    """What would open a gate, and why each study that it waits for has not decided yet."""
    possible = tuple(a for a in gate if _together([_holds(condition, known) for condition in a]) is None)
    delays = [f"{study} {_delay(known[study])}" for study in _studies(possible, known, None)]
    return f"waits for {verdicts_in_words(possible)}: {'; '.join(delays)}"


def _delay(status: Status) -> str:
    if status.verdict:
        return f"ended {status.verdict} ({status.reason})"
    if status.state is StepState.READY:
        return "has not been answered yet"
    return f"is {status.state}"


def _studies(gate: Gate, known: Mapping[str, Status], holds: bool | None) -> list[str]:
    """The studies of a gate whose conditions hold (True), never will (False) or may yet (None), each once."""
    conditions = (condition for alternative in gate for condition in alternative)
    return list(dict.fromkeys(c.study for c in conditions if _holds(c, known) is holds))
