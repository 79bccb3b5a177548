"""Publishes the state of each camera on `topics.cameras`. A failure has no effect on the inspection.

The main thread decides what to send, and a low-priority thread sends it. Only the worker to which a camera's partition
is assigned reports the camera, and it checks this again before it sends, so the last state is that of the worker that
reads the camera. A worker that loses a camera says nothing more: a tombstone could arrive after the first state of its
new worker, and would delete it. Readers regard a state that is not repeated as outdated.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, get_args

import msgspec
import structlog

from stripwatch.worker.common.process.threads import OwnedThread
from stripwatch.worker.contracts.events import ModelInfo, Reject, Result
from stripwatch.worker.contracts.line.camera_state import (
    CAMERA_SCHEMA,
    CameraState,
    Condition,
    HeldCondition,
    NewestFrame,
    camera_state_headers,
)
from stripwatch.worker.contracts.positions import Partition, Position
from stripwatch.worker.contracts.timestamps import rfc3339
from stripwatch.worker.monitoring.metric_groups.metric_group import OTHER
from stripwatch.worker.observers.background_worker import lower_priority
from stripwatch.worker.observers.best_effort_producer import BestEffortProducer
from stripwatch.worker.observers.drift import CameraReport
from stripwatch.worker.observers.reject_rate import CameraRejects
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord

log = structlog.get_logger()
CONDITION_ORDER: tuple[Condition, ...] = get_args(Condition)
# Pages of earlier versions could not read a state that lists these.
_NOT_LISTED: frozenset[Condition] = frozenset({"misnamed", "novel", "coloured", "noisy", "low_contrast"})
_DIGITS = 6


class _Newest(NamedTuple):
    """Newest frame of a camera, without its image. record_ms: time of its record, -1 if it is not plausible."""

    line: str | None
    source: str | None
    position: Position
    captured_ms: int
    record_ms: int
    model: ModelInfo

    @property
    def partition(self) -> Partition:
        return Partition(self.position.topic, self.position.partition)


@dataclass(slots=True)
class _Reported:
    """What was last reported of a camera. held: since when each condition has held, in ms since 1970."""

    since_ms: int
    sent_s: float
    held: dict[Condition, int] = field(default_factory=dict)


class _Waiting(NamedTuple):
    """A state that waits to be sent, and the frame that it is based on."""

    state: CameraState
    newest: _Newest


class CameraStates(FrameObserver):
    """Publishes the states of the cameras that have a metric label.

    Args:
        topic_name: Name of the topic.
        topic: Its producer.
        interval_s: Interval at which unchanged states are repeated.
        worker: Name of this worker.
        label: Returns the metric label of a camera; cameras beyond a limit have the label `other`.
        rejects: Recent frames and rejects of each camera.
        held: Returns the partitions that are assigned to this worker.
        monotonic: Monotonic time in seconds.
        wall: Time in seconds since 1970.
    """

    def __init__(
        self,
        topic_name: str,
        topic: BestEffortProducer,
        interval_s: float,
        worker: str,
        label: Callable[[str], str],
        rejects: CameraRejects,
        held: Callable[[], Collection[Partition]],
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._topic_name = topic_name
        self._topic = topic
        self._interval_s = interval_s
        self._worker = worker
        self._label = label
        self._rejects = rejects
        self._held = held
        self._monotonic = monotonic
        self._wall = wall
        self._newest: dict[str, _Newest] = {}  # by the publish thread; the main thread reads and removes
        self._reported: dict[str, _Reported] = {}
        self._waiting: dict[str, _Waiting] = {}  # the newest state of each camera
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = OwnedThread(self._run, "camera-states", lambda _: None)

    def start(self) -> None:
        self._thread.start()

    def on_sent(self, outcome: FrameOutcome, event: Result | Reject) -> None:  # noqa: ARG002
        frame = outcome.frame
        if frame.replay_of is not None or self._label(frame.camera) == OTHER:
            return
        self._newest[frame.camera] = _Newest(
            frame.line, frame.source, frame.position, frame.captured_ms, frame.record_ms, outcome.model.info
        )

    def update(self, reports: Mapping[str, CameraReport]) -> None:
        """Queue the states that have changed or are due. Only the main thread may call it. Returns at once."""
        held = self._held()
        for camera in self._reported.keys() - reports.keys():
            del self._reported[camera]
            self._newest.pop(camera, None)
        due: dict[str, _Waiting] = {}
        for camera, report in reports.items():
            newest = self._newest.get(camera)
            if newest is not None and newest.partition in held and self._is_due(camera, report):
                due[camera] = _Waiting(self._state(camera, report, newest), newest)
        if due:
            with self._changed:
                self._waiting |= due
                self._changed.notify()

    def close(self, timeout_s: float) -> None:
        """Stop the thread. States that were not sent are dropped; the next worker reports its own."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _is_due(self, camera: str, report: CameraReport) -> bool:
        """Record the conditions that hold, and return whether they changed or the interval has passed."""
        now_s, now_ms = self._monotonic(), round(self._wall() * 1000)
        holding = {name for name, holds in report.conditions.items() if holds}
        known = self._reported.get(camera)
        if known is None:
            known = self._reported[camera] = _Reported(now_ms, now_s, dict.fromkeys(holding, now_ms))
            return True
        if holding != known.held.keys():
            known.held = {name: known.held.get(name, now_ms) for name in holding}
            known.since_ms = now_ms
        elif now_s - known.sent_s < self._interval_s:
            return False
        known.sent_s = now_s
        return True

    def _state(self, camera: str, report: CameraReport, newest: _Newest) -> CameraState:
        known, counts = self._reported[camera], self._rejects.counts(camera)
        return CameraState(
            schema=CAMERA_SCHEMA,
            camera=camera,
            line=newest.line,
            stated_at=rfc3339(round(self._wall() * 1000)),
            interval_s=self._interval_s,
            conditions=[
                HeldCondition(name, rfc3339(known.held[name]), report.detail(name))
                for name in CONDITION_ORDER
                if name in known.held
            ],
            unchecked=[name for name in CONDITION_ORDER if name not in report.conditions and name not in _NOT_LISTED],
            since=rfc3339(known.since_ms),
            statistics=_rounded(report.statistics),
            distances=_rounded(report.distances),
            scores=_rounded(report.scores),
            window_s=self._rejects.window_s,
            frames=counts.frames,
            rejects=dict(counts.reasons),
            frame=NewestFrame(rfc3339(newest.captured_ms), *newest.position),
            model=newest.model,
            worker=self._worker,
            novelty=report.novelty,
            colour=report.colour,
        )

    def _run(self) -> None:
        lower_priority()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if self._stopped:
                    return
                waiting, self._waiting = self._waiting, {}
            for each in waiting.values():
                self._send(each)

    def _send(self, waiting: _Waiting) -> None:
        state, newest = waiting
        if newest.partition not in self._held():
            return  # its new worker reports it
        try:
            body, headers = msgspec.json.encode(state), camera_state_headers(state, newest.source)
            self._topic.send(OutgoingRecord(self._topic_name, state.camera.encode(), body, headers, newest.record_ms))
        except Exception as error:  # no error may end the thread
            log.warning(
                "cannot publish the state of a camera",
                camera=state.camera,
                error=f"{type(error).__name__}: {error}",
            )


def _rounded(values: Mapping[Any, float]) -> dict[str, float]:
    return {name: round(value, _DIGITS) for name, value in values.items()}
