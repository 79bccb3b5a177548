"""The state of the live page: recent results and rejects, counted, with bounded memory for any input."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from msgspec.structs import replace as replace_struct

from stripwatch.worker.coils.grading.model_labels import ModelLabels
from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.coils.tracking.coil_tracker import CoilRules
from stripwatch.worker.coils.tracking.observations import (
    NOVEL,
    Observation,
    observation_from_reject,
    observation_from_result,
    read_result,
)
from stripwatch.worker.common.rates import WindowedRate
from stripwatch.worker.contracts.coil_summary import CoilState, CoilSummary
from stripwatch.worker.contracts.events import Result
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.dashboard.state.alarm_board import AlarmBoard
from stripwatch.worker.dashboard.state.camera_health import CameraHealth
from stripwatch.worker.dashboard.state.cards import CardList, DefectCard, is_novel
from stripwatch.worker.dashboard.state.coil_list import CoilList
from stripwatch.worker.dashboard.state.corrections import Corrections
from stripwatch.worker.dashboard.state.evidence_index import EvidenceIndex
from stripwatch.worker.dashboard.state.line_views import LineViews
from stripwatch.worker.dashboard.state.model_views import ModelViews
from stripwatch.worker.dashboard.state.page_rules import RULES
from stripwatch.worker.dashboard.state.reject_list import RejectList
from stripwatch.worker.dashboard.state.strip_map import StripMap, strip_map

_LABELS_MAX = 64
_OTHER = "other"
_RESULT_BYTES_MAX = 65_536


class History:
    """Everything the page shows. One thread adds, any thread reads.

    Names come from outside: beyond a limit, further names count as 'other', and long names are shortened.

    run_id: identifies this run of the server. Card numbers and the knowledge of viewers start afresh with each run.
    has_read: True once all records present at the start have been read; until then a missing item may still arrive.
    """

    def __init__(self, clock: Callable[[], float] = time.time, rules: CoilRules = RULES) -> None:
        self.run_id = uuid4().hex[:12]
        self.has_read = False
        self.evidence = EvidenceIndex()
        self.health = CameraHealth()
        self.rejects = RejectList(self.run_id)
        self.alarms = AlarmBoard()
        self.corrections = Corrections()
        self._clock = clock
        self._lock = threading.Lock()
        self._grading = rules.grading
        self._model_labels = ModelLabels()
        self._lines = LineViews()
        self._coils = CoilList(rules, self._map)
        self._models = ModelViews()
        self._labels: Counter[str] = Counter()
        self._totals: Counter[str] = Counter()
        self._frame_rate, self._defect_rate = WindowedRate(), WindowedRate(60)
        self._cards = CardList(self.run_id, rules.grading)
        self._since_ms: int | None = None
        self._from_middle = False
        self._state = "connecting"
        self._problem = ""

    # --- the feed writes

    def add_result(self, value: bytes | None, timestamp_ms: int, read_s: float, live: bool) -> None:
        """Add the value of a result record. live: it has just arrived, and is not read from the backlog."""
        original = read_result(value)
        with self._lock:
            result = self._with_known_labels(original) if original else None
            observation = observation_from_result(result, timestamp_ms) if result else None
            if result is None or observation is None:
                self._totals["unreadable"] += 1
            elif self._add_observation(observation, read_s, live):
                self._model_labels.add(observation.model_labels)
                correctable = original if len(value or b"") <= _RESULT_BYTES_MAX else None
                self._note_result(result, observation, timestamp_ms, live, correctable)

    def add_reject(
        self,
        key: bytes | None,
        headers: Any,
        timestamp_ms: int,
        read_s: float,
        live: bool,
        position: Position | None = None,
    ) -> None:
        """Add a reject record. position: of the record, for its picture; without it, the reject is not listed."""
        observation = observation_from_reject(key, headers, timestamp_ms)
        with self._lock:
            if observation is None:
                self._totals["unreadable"] += 1
            elif self._add_observation(observation, read_s, live) and position is not None:
                self.rejects.add(observation, headers, timestamp_ms, position)

    def say(self, state: str, problem: str = "") -> None:
        """Set the state of the feed (connecting, reading, live or lost) and the problem to show with it."""
        with self._lock:
            self._state, self._problem = state, problem
            self.has_read = self.has_read or state == "live"

    def read_from_middle(self) -> None:
        """Note that reading started in the middle of a topic, so the first coil of each line may be incomplete."""
        with self._lock:
            self._from_middle = True

    def close_coils(self, now_s: float) -> None:
        """Summarize the coils that have ended by `now_s`, and update those that late frames have corrected."""
        with self._lock:
            self._coils.close(now_s)

    # --- the site reads

    def state(self) -> dict[str, Any]:
        """Return everything except cards and ended coils, small enough to be sent twice per second.

        since_ms: record time of the oldest result or reject that was read, from which on everything is counted.
        """
        with self._lock:
            now_s = self._clock()
            return {
                "run": self.run_id,
                "now_ms": round(now_s * 1000),
                "since_ms": self._since_ms,
                "state": self._state,
                "problem": self._problem,
                "totals": dict(self._totals),
                "frames_per_second": self._frame_rate.per_second(now_s),
                "defects_per_minute": round(self._defect_rate.per_second(now_s) * 60, 1),
                "labels": self._labels | ({NOVEL: self._totals["novel"]} if self._totals["novel"] else {}),
                "lines": self.health.annotate(self._lines.rows(round(now_s * 1000)), round(now_s * 1000)),
                "rejects": self.rejects.changes,
                "unknown_labels": self._unknown_labels(),
                "models": self._models.rows(),
                "running": self._coils.running_rows(),
                "ended": self._coils.newest_ended,
                "ended_changes": self._coils.changes,
            }

    def cards_after(self, seq: int) -> list[DefectCard]:
        with self._lock:
            return self._cards.after(seq)

    def position(self, picture: str) -> tuple[DefectCard, Position | None] | None:
        with self._lock:
            return self._cards.position(picture)

    def result(self, picture: str) -> Result | None:
        """Return the result that a card shows, unchanged. None if the card is unknown or the result is over 64 KiB."""
        with self._lock:
            return self._cards.result(picture)

    def update_alarms(self) -> dict[str, CoilState]:
        """Raise the alarms of all coils as they are now. Return the state of the newest running coil of each line."""
        with self._lock:
            ended, running = self._coils.ended(), self._coils.running()
        self.alarms.see([*ended, *running])
        return {summary.line or "": summary.state or "ok" for summary, _ in running}

    @property
    def feed_state(self) -> str:
        """State of the feed: connecting, reading, live or lost."""
        with self._lock:
            return self._state

    @property
    def line_names(self) -> list[str]:
        """Names of the lines, "" for a line without a name; at most 17."""
        with self._lock:
            return self._lines.names

    def unknown_labels(self) -> list[str]:
        """Return the classes in the settings `severity` and `limits` that no model has."""
        with self._lock:
            return self._unknown_labels()

    def coils(self) -> list[CoilSummary]:
        """Return the summaries of all coils, oldest first, the running ones last."""
        with self._lock:
            return [summary for summary, _ in [*self._coils.ended(), *self._coils.running()]]

    def ended_rows(self) -> list[dict[str, Any]]:
        with self._lock:
            return self._coils.ended_rows()

    def coil(self, identity: str) -> tuple[CoilSummary, StripMap, bool] | None:
        """Return a coil's summary and map, and True if its first frames may be missing; None if it is unknown."""
        with self._lock:
            return self._coils.coil(identity)

    def label_numbers(self) -> dict[str, int]:
        """Return the number of each label, counted in the order in which labels first appeared."""
        with self._lock:
            return self._numbers()

    # --- under the lock

    def _unknown_labels(self) -> list[str]:
        return self._model_labels.missing(self._grading.labels) if self.has_read else []

    def _add_observation(self, observation: Observation, read_s: float, live: bool) -> bool:
        """Count an observation. Return False for a repeat."""
        if observation.recorded_ms is not None:
            self._since_ms = min(self._since_ms or observation.recorded_ms, observation.recorded_ms)
        observation = self._lines.bounded(observation)
        added = self._coils.add(observation, read_s)
        if added.outcome == "repeat":
            return False
        if added.outcome != "in-time":
            self._totals["late"] += 1
        self._totals[observation.state] += 1
        if observation.verdict:
            self._totals[observation.verdict] += 1
        if observation.flags:
            self._totals["flagged"] += 1
        if observation.is_novel:
            self._totals["novel"] += 1
        if live:
            self._frame_rate.add(self._clock())
        line = self._lines.of(observation)
        if added.part and self._from_middle and not line.had_coil:
            self._coils.mark_cut(added.part)
        line.had_coil = True
        camera = line.cameras[observation.camera]
        if observation.replay_of is None:
            heard_ms = observation.recorded_ms or observation.captured_ms
            line.speed.add(observation.camera, observation.captured_ms, observation.position_mm, heard_ms)
            camera.heard_ms = max(camera.heard_ms, heard_ms)
        camera.states[observation.state] += 1
        camera.recent_rejects.append(observation.state == "rejected")
        camera.unsure += observation.verdict == "unsure"
        camera.novel += observation.is_novel
        camera.flags.update(observation.flags)
        if added.replaces_reject:
            self._totals["rejected"] -= 1
            camera.states["rejected"] -= 1
            self.rejects.remove(observation.frame_id)
            if added.part:
                self._coils.forget_summary(added.part)
        camera.last_ms = max(camera.last_ms, observation.captured_ms)
        return True

    def _with_known_labels(self, result: Result) -> Result:
        """Register the labels of a result, and replace those beyond the limit by 'other'."""
        for defect in result.defects:
            if len(self._labels) < _LABELS_MAX:
                self._labels.setdefault(defect.label, 0)
        if all(defect.label in self._labels for defect in result.defects):
            return result
        defects = [d if d.label in self._labels else replace_struct(d, label=_OTHER) for d in result.defects]
        return replace_struct(result, defects=defects)

    def _note_result(
        self, result: Result, observation: Observation, timestamp_ms: int, live: bool, correctable: Result | None
    ) -> None:
        line, camera = self._lines.known(observation)
        camera.side, camera.height_px = result.frame.side, result.frame.height_px or camera.height_px
        if observation.replay_of is None:  # a replay keeps its old capture time
            line.latency.add(timestamp_ms - observation.captured_ms)
        self._models.add(result.model, timestamp_ms)
        if is_novel(result):
            self._cards.add(result, observation, correctable)
        if not result.defects:
            return
        camera.defects += 1
        self._totals["defect_frames"] += 1
        for label in sorted({defect.label for defect in result.defects}):
            self._labels[label] += 1
        if live:
            self._defect_rate.add(self._clock())
        self._cards.add(result, observation, correctable)

    def _map(self, log: CoilAggregate) -> StripMap:
        return strip_map(log, self._lines.views(log.line or ""), self._numbers())

    def _numbers(self) -> dict[str, int]:
        return {label: number for number, label in enumerate(self._labels)}
