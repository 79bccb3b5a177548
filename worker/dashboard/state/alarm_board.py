"""The alarms of the coils that the page knows, and who acknowledged them."""

import threading
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, cast

import msgspec

from stripwatch.worker.coils.grading.alarms import Alarm, AlarmKey, alarms_of
from stripwatch.worker.coils.tracking.bounded_names import shorten
from stripwatch.worker.contracts.coil_summary import AlarmRule, CoilSummary
from stripwatch.worker.contracts.line.acknowledgement import ACKNOWLEDGEMENT_SCHEMA, Acknowledgement
from stripwatch.worker.contracts.timestamps import parse_rfc3339, rfc3339

_KEPT = 20_000
_SHOWN_MAX = 50
# A page that began to read in the middle of a coil does not know when the coil began.
_CUT_MS = 24 * 3_600_000
_CLOCK_MS = 60_000  # the clocks of cameras and page servers differ


@dataclass(slots=True)
class _Entry:
    """An alarm that stays until somebody acknowledges it. active: the coil still exceeds the limit.

    followed: a later coil of the line has started, while this one may still get its last results.
    """

    alarm: Alarm
    raised_at: str
    is_cut: bool
    active: bool = True
    running: bool = True
    followed: bool = False
    acknowledged: Acknowledgement | None = None


class AlarmBoard:
    """Alarms by what they are about. Thread-safe, with bounded memory.

    An alarm stays when the value falls below the limit again. A value that doubles is a new alarm.

    can_acknowledge: whether anyone may acknowledge. If nobody can, only limits that a running coil exceeds now are
    shown, because no other alarm would ever go away. is_ready: returns whether earlier results and acknowledgements
    have been read; no alarm is shown before, because it may have been acknowledged.
    """

    def __init__(self) -> None:
        self.can_acknowledge = False
        self.is_ready: Callable[[], bool] = lambda: True
        self._lock = threading.Lock()
        self._entries: dict[AlarmKey, _Entry] = {}
        self._acknowledged: OrderedDict[AlarmKey, dict[int, Acknowledgement]] = OrderedDict()

    def see(self, coils: Iterable[tuple[CoilSummary, bool]]) -> None:
        """Update the alarms from all coils that the page knows, oldest first. The flag marks coils whose first frames
        may be missing. Alarms of other coils are dropped.
        """
        with self._lock:
            of_coil = defaultdict[str, list[_Entry]](list)
            for entry in self._entries.values():
                of_coil[entry.alarm.coil_id].append(entry)
            known: set[str] = set()
            newest: dict[str | None, str] = {}
            for summary, is_cut in coils:
                known.add(summary.id)
                newest[summary.line] = summary.id
                self._see(summary, is_cut, of_coil.get(summary.id, []))
            gone = [key for key, entry in self._entries.items() if entry.alarm.coil_id not in known]
            for key in gone:
                del self._entries[key]
            for entry in self._entries.values():
                entry.acknowledged = self._acknowledgement_of(entry)
                entry.followed = newest.get(entry.alarm.key.line) != entry.alarm.coil_id

    def add(self, acknowledgement: Acknowledgement) -> None:
        """Add an acknowledgement from Kafka, or one that has just been written."""
        said = acknowledgement
        key = AlarmKey(said.line, said.coil, said.rule, said.label)
        with self._lock:
            of_key = self._acknowledged.setdefault(key, {})
            of_key[min(max(said.step, 0), 63)] = said
            self._acknowledged.move_to_end(key)
            while len(self._acknowledged) > _KEPT:
                self._acknowledged.popitem(last=False)
            if entry := self._entries.get(key):
                entry.acknowledged = self._acknowledgement_of(entry)

    def acknowledgement(self, alarm_id: str, by: str, now_ms: int) -> Acknowledgement | None:
        """Return the record that acknowledges an alarm, to be written and added; None if the alarm is not known."""
        with self._lock:
            entry = next((each for each in self._entries.values() if each.alarm.id == alarm_id), None)
            if entry is None:
                return None
            key, exceeded = entry.alarm.key, entry.alarm.exceeded
            return Acknowledgement(
                schema=ACKNOWLEDGEMENT_SCHEMA,
                alarm_id=alarm_id,
                line=key.line,
                coil=key.coil,
                coil_id=entry.alarm.coil_id,
                rule=cast(AlarmRule, exceeded.rule),  # the other rules are never an alarm
                label=key.label,
                step=entry.alarm.step,
                value=exceeded.value,
                limit=exceeded.limit,
                unit=exceeded.unit,
                by=by,
                at=rfc3339(now_ms),
            )

    def rows(self) -> list[dict[str, Any]]:
        """Return the alarms to show: those of running coils, and of ended coils until somebody acknowledges them.

        Those that need attention come first, and among them those of the newest coil of each line, then those of
        critical classes. The order changes only when a coil starts or an alarm is raised, so that the headline does not
        jump.
        """
        with self._lock:
            shown = [entry for entry in self._entries.values() if self.is_ready() and self._is_shown(entry)]
            shown.sort(key=lambda entry: entry.alarm.began_at, reverse=True)
            shown.sort(key=_by_urgency)
            return [_row(entry) for entry in shown[:_SHOWN_MAX]]

    def counts(self) -> tuple[Counter[str], Counter[str]]:
        """Return the number of shown alarms by line, and of those that somebody could acknowledge and nobody has."""
        with self._lock:
            shown = [entry for entry in self._entries.values() if self.is_ready() and self._is_shown(entry)]
            waiting = [entry for entry in shown if self.can_acknowledge and entry.acknowledged is None]
        return Counter(map(_line_of, shown)), Counter(map(_line_of, waiting))

    def _is_shown(self, entry: _Entry) -> bool:
        if not self.can_acknowledge:
            return entry.running and entry.active
        return entry.running or entry.acknowledged is None

    def _see(self, summary: CoilSummary, is_cut: bool, entries: Iterable[_Entry]) -> None:
        found = {alarm.key: alarm for alarm in alarms_of(summary)}
        for entry in entries:
            entry.active, entry.running = entry.alarm.key in found, summary.ended is None
        for key, alarm in found.items():
            known = self._entries.get(key)
            if known and known.alarm.coil_id != alarm.coil_id and known.alarm.began_at > alarm.began_at:
                continue  # a later coil of the same name has this alarm
            if known is None or known.alarm.coil_id != alarm.coil_id:
                running = summary.ended is None
                self._entries[key] = _Entry(alarm, summary.last_captured_at, is_cut, running=running)
            elif alarm.step > known.alarm.step:
                known.alarm, known.raised_at = alarm, summary.last_captured_at
            else:
                known.alarm = replace(known.alarm, exceeded=alarm.exceeded)

    def _acknowledgement_of(self, entry: _Entry) -> Acknowledgement | None:
        """Return the newest acknowledgement of this alarm or a worse one of the same coil.

        An acknowledgement of an earlier coil of the same name does not count. Where the ids of the coil differ, because
        a server did not read its beginning, the time decides. All unnamed coils of a line share their alarms' ids, so
        the alarm of one whose beginning is unknown is rather raised twice than missed.
        """
        of_key = self._acknowledged.get(entry.alarm.key)
        if not of_key:
            return None
        is_cut = entry.is_cut and entry.alarm.key.coil is not None
        began_ms = parse_rfc3339(entry.alarm.began_at) - (_CUT_MS if is_cut else _CLOCK_MS)
        valid = [
            said
            for step, said in of_key.items()
            if step >= entry.alarm.step and (said.coil_id == entry.alarm.coil_id or parse_rfc3339(said.at) >= began_ms)
        ]
        return max(valid, key=lambda said: said.at, default=None)


def read_acknowledgement(value: bytes | None) -> Acknowledgement | None:
    """Decode a record of the topic. Return None if it is not an acknowledgement: any client may write to the topic."""
    try:
        said = _decode(value or b"")
        parse_rfc3339(said.at)
    except (msgspec.DecodeError, ValueError):
        return None
    return msgspec.structs.replace(
        said,
        alarm_id=shorten(said.alarm_id),
        coil_id=shorten(said.coil_id),
        by=shorten(said.by),
        line=shorten(said.line) if said.line else said.line,
        coil=shorten(said.coil) if said.coil else said.coil,
        label=shorten(said.label) if said.label else said.label,
    )


_decode = msgspec.json.Decoder(Acknowledgement).decode


def _by_urgency(entry: _Entry) -> tuple[bool, bool, bool, bool]:
    return entry.acknowledged is not None, not entry.running, entry.followed, entry.alarm.key.rule != "critical"


def _line_of(entry: _Entry) -> str:
    return entry.alarm.key.line or ""


def _row(entry: _Entry) -> dict[str, Any]:
    alarm, said = entry.alarm, entry.acknowledged
    return msgspec.structs.asdict(alarm.exceeded) | {
        "id": alarm.id,
        "line": alarm.key.line or "",
        "coil": alarm.key.coil,
        "coil_id": alarm.coil_id,
        "raised_at": entry.raised_at,
        "active": entry.active,
        "running": entry.running,
        "followed": entry.followed,
        "acknowledged": {"by": said.by, "at": said.at} if said else None,
    }
