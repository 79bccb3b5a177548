"""The series of a simulated day, minute by minute, as exported by the workers of its lines."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.deploy.days.day import ALWAYS, Change, Day, Labels, Line, Span, Worker
from tests.deploy.days.exported import Exported, exported, exported_by_coils, exported_by_page

JOB = "stripwatch-worker"
COILS_JOB = "stripwatch-coils"
VIEW_JOB = "stripwatch-view"
PARTITIONS = 8
FRAMES_PER_MINUTE = 600  # per camera
_SLOW_S = 3
Values = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

# Shares of the consumed frames. Counters and gauges not listed here stay at 0.
_VERDICTS = {"clean": 0.93, "defect": 0.05, "unsure": 0.02}
_NOVEL = 0.01
_SHADOW = {"agrees": 0.1, "differs": 0.002}
_GAUGES = {
    "stripwatch_health_certificate_expiry_timestamp_seconds": 365 * 86_400,  # a day begins at 0
    "stripwatch_ready": 1,
    "stripwatch_topic_partitions": PARTITIONS,
    "stripwatch_bundle_info": 1,
    "stripwatch_device_info": 1,
    "stripwatch_shadow_info": 1,
    "stripwatch_broker_silence_seconds": 1,
    "stripwatch_novelty_expected_ratio": 0.01,
    "stripwatch_coils_caught_up": 1,
    "stripwatch_view_live": 1,
}


@dataclass(frozen=True, slots=True)
class Series:
    """One series. values: NaN marks a missing sample. stale: steps at which Prometheus marks the series as ended."""

    name: str
    labels: Labels
    values: Values
    stale: Mask

    def __str__(self) -> str:
        return self.name + "{" + ", ".join(f"{key}={json.dumps(value)}" for key, value in self.labels.items()) + "}"


def series_of(day: Day) -> Iterator[Series]:
    """Return all series of a day in promtool's format."""
    minutes = np.arange(int(day.minutes * 60 / day.step_s) + 1) * day.step_s / 60
    scraped = ~_within(minutes, day.unscraped)
    for each in chain(
        _of_coils(day, minutes), _of_page(day, minutes), *(_LineSeries(day, line, minutes).all() for line in day.lines)
    ):
        changed = _with_gauges(each, [c for c in day.changes if c.value is not None], minutes)
        yield Series(changed.name, changed.labels, np.where(scraped, changed.values, np.nan), changed.stale & scraped)


def _of_coils(day: Day, minutes: Values) -> Iterator[Series]:
    """Return the series of `stripwatch coils`, which runs once per plant."""
    return _of_service({"job": COILS_JOB, "instance": "coils"}, exported_by_coils(), day.coils, day, minutes)


def _of_page(day: Day, minutes: Values) -> Iterator[Series]:
    """Return the series of `stripwatch view`, which runs all day."""
    lines = [line.name for line in day.lines]
    return _of_service({"job": VIEW_JOB, "instance": "page"}, exported_by_page(lines), ALWAYS, day, minutes)


def _of_service(
    target: Labels, metrics: Sequence[Exported], spans: Sequence[Span], day: Day, minutes: Values
) -> Iterator[Series]:
    there = _within(minutes, spans)
    yield _while_there("up", target, np.ones(len(minutes)), there)
    yield _while_there("process_start_time_seconds", target, _starts(minutes, spans), there)
    for each in metrics:
        labels = {**target, **each.labels}
        added = _with_changes(np.zeros(len(minutes)), each.name, labels, day, minutes)
        gauge = np.full(len(minutes), float(_GAUGES.get(each.name, 0)))
        yield _while_there(each.name, labels, np.cumsum(added) if each.counts else gauge, there)


def _while_there(name: str, labels: Labels, values: Values, there: Mask) -> Series:
    """Mark the end of a series whose target is gone or no longer exports it, as Prometheus does."""
    before = np.concatenate([[False], there[:-1]])
    return Series(name, labels, np.where(there, values, np.nan), before & ~there)


def _with_changes(added: Values, name: str, labels: Labels, day: Day, minutes: Values) -> Values:
    """Return the increments of a counter per step, including the changes of this day."""
    for change in day.changes:
        if _matches(change, name, labels):
            inside = _within(minutes, [(change.start, change.stop)])
            added = np.where(inside & change.holds, 0, added) + inside * change.per_minute * day.step_s / 60
            if inside.any():
                added[np.argmax(inside)] += change.once
    return added


def _within(minutes: Values, spans: Sequence[Span]) -> Mask:
    inside = np.zeros(len(minutes), dtype=bool)
    for start, stop in spans:
        inside |= (minutes >= start) & (minutes < stop)
    return inside


def _starts(minutes: Values, lives: Sequence[Span]) -> Values:
    """Return the start time in seconds of the process running in each step."""
    start = np.zeros(len(minutes))
    for first, stop in lives:
        start[_within(minutes, [(first, stop)])] = 60 * first + 1
    return start


def _matches(change: Change, name: str, labels: Labels) -> bool:
    return change.metric == name and change.labels.items() <= labels.items()


def _with_gauges(series: Series, changes: Sequence[Change], minutes: Values) -> Series:
    values, stale = series.values.copy(), series.stale.copy()
    for change in changes:
        if change.value is not None and _matches(change, series.name, series.labels):
            inside = _within(minutes, [(change.start, change.stop)])
            values[inside], stale[inside] = change.value, False
    return Series(series.name, series.labels, values, stale)


class _LineSeries:
    """Distribute the cameras over the live workers, as partitions are."""

    def __init__(self, day: Day, line: Line, minutes: Values) -> None:
        self._line, self._minutes, self._day = line, minutes, day
        self._alive = [_within(minutes, worker.lives) for worker in line.workers]
        running = ~_within(minutes, line.stops)
        self._sends = {name: _within(minutes, spans) & running for name, spans in line.cameras.items()}
        self._slow = np.zeros(len(minutes))
        for span, share in line.slow.items():
            self._slow[_within(minutes, [span])] = share

    def all(self) -> Iterator[Series]:
        for instance in dict.fromkeys(worker.instance for worker in self._line.workers):
            own = {
                worker.process: alive
                for worker, alive in zip(self._line.workers, self._alive, strict=True)
                if worker.instance == instance
            }
            there = np.logical_or.reduce(list(own.values()))
            yield self._series("up", {"instance": instance}, np.ones(len(self._minutes)), there)
            for process, alive in own.items():
                if process:  # the supervisor reports this for each process
                    labels = {"instance": instance, "process": process}
                    yield self._series("stripwatch_process_up", labels, alive.astype(float), there)
        for number, worker in enumerate(self._line.workers):
            yield from self._of_worker(number, worker)

    def _of_worker(self, number: int, worker: Worker) -> Iterator[Series]:
        alive = self._alive[number]
        target = {"instance": worker.instance} | ({"process": worker.process} if worker.process else {})
        turn = np.cumsum([np.zeros(len(alive)), *self._alive[:-1]], axis=0)[
            number
        ]  # its index among the live processes
        living = np.maximum(np.sum(self._alive, axis=0), 1)
        held = {name: alive & (at % living == turn) for at, name in enumerate(self._line.cameras)}
        taken = {name: self._sends[name] & mask for name, mask in held.items()}
        yield self._series("process_start_time_seconds", target, _starts(self._minutes, worker.lives), alive)
        read = np.floor((PARTITIONS - 1 - turn) / living) + 1
        frames = {name: mask * FRAMES_PER_MINUTE * self._day.step_s / 60 for name, mask in taken.items()}
        for each in exported(list(self._line.cameras), worker.bundle):
            labels, there = {**target, **each.labels}, alive
            camera = each.labels.get("camera")
            if camera is not None:
                there = alive & (
                    _since(taken[camera], alive) if each.counts else held[camera] & _since(taken[camera], alive)
                )
            if each.counts:
                values = self._counted(each, labels, frames, alive)
            elif each.name == "stripwatch_partitions_read":
                values = read
            else:
                values = self._gauge(each, taken)
            yield self._series(each.name, labels, values, there)

    def _counted(self, each: Exported, labels: Labels, frames: dict[str, Values], alive: Mask) -> Values:
        ordinary = _ordinary(each, frames, self._slow)
        added = _with_changes(ordinary, each.name, {**labels, **self._target()}, self._day, self._minutes)
        total = np.cumsum(np.where(alive, added, 0))
        return np.round(total - _at_start(total, added, alive))

    def _gauge(self, each: Exported, taken: dict[str, Mask]) -> Values:
        size = len(self._minutes)
        if each.labels.get("condition") == "silent":
            return 1.0 - taken[each.labels["camera"]]
        if each.name == "stripwatch_inflight_frames":
            return np.where(np.logical_or.reduce(list(taken.values())), 12.0, 0.0)
        return np.full(size, float(_GAUGES.get(each.name, 0)))

    def _target(self) -> dict[str, str]:
        return {"job": JOB, "line": self._line.name, "device": self._line.device}

    def _series(self, name: str, labels: Labels, values: Values, there: Mask) -> Series:
        return _while_there(name, {**self._target(), **labels}, values, there)


def _since(taken: Mask, alive: Mask) -> Mask:
    """Return the steps from the first frame on, for each life of a process."""
    count = np.cumsum(taken)
    return count - _at_start(count.astype(float), taken.astype(float), alive) > 0


def _at_start(total: Values, added: Values, alive: Mask) -> Values:
    """Return for each step the value of `total` before the current life of the process began."""
    begins = alive & ~np.concatenate([[False], alive[:-1]])
    at = np.maximum.accumulate(np.where(begins, np.arange(len(alive)), 0))
    return (total - np.where(alive, added, 0))[at]


def _ordinary(each: Exported, frames: dict[str, Values], slow: Values) -> Values:
    """Return the increments of a counter per step. slow: share of frames whose result takes three seconds."""
    together: Values = np.sum(list(frames.values()), axis=0)
    taken = frames.get(each.labels.get("camera", ""), together)
    share: Values = np.full(len(taken), _share(each))
    if each.name == "stripwatch_frame_age_seconds_bucket" and float(each.labels["le"]) < _SLOW_S:
        share = share * (1 - slow)
    return taken * share


def _share(each: Exported) -> float:
    """Return the share of consumed frames that a counter counts."""
    match each.name:
        case "stripwatch_frames_total" | "stripwatch_frame_age_seconds_count" | "stripwatch_frame_age_seconds_sum":
            return 1.0
        case "stripwatch_defects_total":
            return _VERDICTS["defect"]
        case "stripwatch_results_total":
            return _VERDICTS.get(each.labels["verdict"], 0.0)
        case "stripwatch_unsure_frames_total":
            return {"novel": _NOVEL, "score": _VERDICTS["unsure"] - _NOVEL}.get(each.labels["reason"], 0.0)
        case "stripwatch_novelty_frames_total":
            return 1.0
        case "stripwatch_shadow_frames_total":
            return _SHADOW.get(each.labels["outcome"], 0.0)
        case "stripwatch_frame_age_seconds_bucket":
            limit = float(each.labels["le"])
            return 0.9 * (limit >= 0.1) + 0.1 * (limit >= 0.5)
    return 0.0
