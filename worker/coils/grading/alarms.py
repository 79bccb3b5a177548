"""Alarms: the limits that put a coil into the state `alarm`, with ids that are the same on every page server."""

import hashlib
from dataclasses import dataclass

from stripwatch.worker.contracts.coil_summary import CoilSummary, ExceededLimit


@dataclass(frozen=True, slots=True)
class AlarmKey:
    """What an alarm is about. An alarm of the same key with a higher step is worse."""

    line: str | None
    coil: str | None
    rule: str
    label: str | None

    def alarm_id(self, step: int) -> str:
        """Return the id of the alarm of this key and step."""
        name = "\n".join([self.line or "", self.coil or "", self.rule, self.label or "", str(step)])
        return f"alarm-{hashlib.sha256(name.encode()).hexdigest()[:24]}"


@dataclass(frozen=True, slots=True)
class Alarm:
    """An exceeded limit of a coil. coil_id: id of its summary. began_at: capture time of the coil's first frame."""

    key: AlarmKey
    step: int
    exceeded: ExceededLimit
    coil_id: str
    began_at: str

    @property
    def id(self) -> str:
        return self.key.alarm_id(self.step)


def alarms_of(summary: CoilSummary) -> list[Alarm]:
    """Return the alarms of a coil, the most serious first."""
    return [
        Alarm(
            AlarmKey(summary.line, summary.coil, each.rule, each.label),
            alarm_step(each.value, each.limit),
            each,
            summary.id,
            summary.first_captured_at,
        )
        for each in summary.exceeded
        if each.state == "alarm"
    ]


def alarm_step(value: float, limit: float) -> int:
    """Return how often the value has doubled beyond the limit, or beyond 1 if the limit is 0: 0 below twice the limit.

    Each step is a new alarm, so an acknowledged alarm that becomes much worse is raised again, but a value that moves
    around its limit is not.
    """
    return max(int(value / (limit or 1)), 1).bit_length() - 1
