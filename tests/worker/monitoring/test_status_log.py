"""The lines with the figures of a worker, from the metrics of a registry."""

from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge
from structlog.testing import capture_logs
from structlog.typing import EventDict

from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.monitoring.status_log import StatusLog, histogram_quantile


class Worker:
    """Metrics of a worker with a clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.metrics = Metrics(CollectorRegistry())
        self.status = StatusLog(self.metrics.registry.collect, 60, monotonic=lambda: self.now_s)

    def inspect(self, frames: int, verdict: str = "clean", age_s: float = 0.04) -> None:
        for _ in range(frames):
            self.metrics.count_frame("top-1", is_replay=False)
            self.metrics.results.labels(verdict).inc()
            self.metrics.frame_age.observe(age_s)
        self.metrics.batch_frames.observe(frames)

    def minute(self) -> None:
        self.now_s += 60
        self.status.log_status()


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    structlog.reset_defaults()
    with capture_logs() as entries:
        yield entries


def fields(entry: Any, *names: str) -> tuple[Any, ...]:
    return tuple(entry[name] for name in names)


def test_logs_the_figures_of_each_interval(logs: list[EventDict]) -> None:
    worker = Worker()
    worker.metrics.ready.set(1)
    worker.metrics.lag_frames.labels("0").set(3)
    worker.metrics.lag_frames.labels("1").set(4)
    worker.inspect(600)
    worker.inspect(12, "defect", age_s=0.4)
    worker.metrics.rejects.labels("damaged", "top-1").inc(2)
    worker.minute()
    worker.inspect(6, "unsure")
    worker.minute()
    first, second = logs
    assert fields(first, "event", "frames", "frames_per_s", "clean", "defect", "rejects", "batches") == (
        "status",
        612,
        10.2,
        600,
        12,
        2,
        2,
    )
    assert fields(first, "lag_frames", "ready") == (7, True)
    assert 20 <= first["age_ms_p50"] <= 50
    assert 200 <= first["age_ms_p99"] <= 500
    assert fields(second, "frames", "clean", "unsure", "rejects", "batches") == (6, 0, 6, 0, 1)


def test_says_for_how_long_no_frames_have_arrived(logs: list[EventDict]) -> None:
    worker = Worker()
    worker.metrics.ready.set(1)
    worker.inspect(1)
    for _ in range(4):
        worker.minute()
    worker.inspect(1)
    worker.minute()
    assert [(entry["event"], entry.get("idle_s")) for entry in logs] == [
        ("status", None),
        ("no frames", 60),
        ("no frames", 120),
        ("no frames", 180),
        ("status", None),
    ]


def test_says_nothing_before_the_worker_was_ready_once(logs: list[EventDict]) -> None:
    worker = Worker()
    worker.minute()
    assert logs == []
    worker.metrics.ready.set(1)
    worker.minute()
    worker.metrics.ready.set(0)
    worker.minute()
    assert [fields(entry, "event", "ready") for entry in logs] == [("no frames", True), ("no frames", False)]


def test_logs_totals_at_the_end_also_without_an_interval(logs: list[EventDict]) -> None:
    worker = Worker()
    with StatusLog(worker.metrics.registry.collect, 0, monotonic=lambda: worker.now_s):
        worker.inspect(5)
        worker.metrics.rejects.labels("damaged", "top-1").inc()
        worker.now_s = 90
    (totals,) = logs
    assert fields(totals, "event", "frames", "results", "rejects", "seconds") == ("totals", 5, 5, 1, 90)


def test_a_restarted_or_silent_process_makes_no_figure_negative(logs: list[EventDict]) -> None:
    """The metrics of a supervisor: process 1 restarts, then does not respond."""
    before, after = Worker(), Worker()
    before.inspect(10)
    after.inspect(3)
    for worker in (before, after):
        worker.metrics.ready.set(1)
    pages = iter([list(before.metrics.registry.collect()), list(after.metrics.registry.collect()), []])
    status = StatusLog(lambda: next(pages), 60, with_totals=False)
    for _ in range(3):
        status.log_status()
    assert [entry.get("frames") for entry in logs] == [10, 3, None]


@given(st.lists(st.floats(0, 10), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_lies_in_the_bucket_of_the_exact_one(values: list[float], share: float) -> None:
    bounds = [0.5, 1.0, 2.0, 5.0, 10.0, float("inf")]
    buckets = {bound: float(sum(value <= bound for value in values)) for bound in bounds}
    found = histogram_quantile(share, buckets)
    assert found is not None
    rank = share * len(values)
    upper = next(bound for bound in bounds if buckets[bound] >= rank)
    lower = max((bound for bound in bounds if bound < upper), default=0.0)
    assert lower <= found <= upper


def test_a_histogram_without_observations_has_no_quantile() -> None:
    assert histogram_quantile(0.5, {}) is None
    assert histogram_quantile(0.5, {1.0: 0.0, float("inf"): 0.0}) is None
    assert histogram_quantile(0.5, {1.0: 0.0, float("inf"): 7.0}) == 1.0


def test_a_worker_group_is_not_ready_while_one_process_does_not_respond(logs: list[EventDict]) -> None:
    worker = Worker()
    up = Gauge("stripwatch_process_up", "", ["process"], registry=worker.metrics.registry)
    worker.metrics.ready.set(1)
    for process in ("0", "1"):
        up.labels(process).set(1)
    worker.minute()
    up.labels("1").set(0)  # its own `stripwatch_ready` is missing then
    worker.minute()
    assert [entry["ready"] for entry in logs] == [True, False]


def test_a_fault_in_the_totals_does_not_replace_the_error_that_ended_the_worker(logs: list[EventDict]) -> None:
    def collect() -> NoReturn:
        raise LookupError("a gauge of a closed consumer")

    with pytest.raises(ValueError, match="the error of the worker"), StatusLog(collect, 0):
        raise ValueError("the error of the worker")
    assert [entry["event"] for entry in logs] == ["cannot determine the totals of the worker"]
