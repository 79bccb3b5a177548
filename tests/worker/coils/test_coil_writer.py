"""Metrics and logs of `stripwatch coils`, with a reader and a producer controlled by the test."""

import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from stripwatch.worker.coils.committed_records import CommittedStarts, ReadRecord
from stripwatch.worker.coils.summarizer import CoilWriter
from stripwatch.worker.coils.tracking.coil_part import EventSource
from stripwatch.worker.coils.tracking.coil_tracker import CoilTracker
from stripwatch.worker.coils.tracking.observations import Observation
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.contracts.positions import Partition
from tests.worker.coils.samples import WIDE, frame

P = Partition("p", 0)


class Reader:
    def __init__(self) -> None:
        self.is_live = True
        self.settled_s = 0.0
        self.waiting: list[tuple[float, ReadRecord]] = []

    def poll(self) -> list[tuple[float, ReadRecord]]:
        ready, self.waiting = self.waiting, []
        return ready

    def next_offsets(self) -> dict[Any, int]:
        return {}


class Producer:
    """A producer whose records are acknowledged at once."""

    def send(self, *_: Any, **__: Any) -> "Producer":
        return self

    def get(self, timeout: float) -> None: ...


class Consumer:
    def commit(self, offsets: Any) -> None: ...


class Line:
    """A coil writer that is fed frame by frame."""

    def __init__(self) -> None:
        self.reader = Reader()
        tracker, settings = CoilTracker(WIDE), load_settings(None, {})
        border: Any = (self.reader, CommittedStarts(), Consumer(), Producer())
        self.writer = CoilWriter(settings, tracker, *border)

    def see(self, observations: list[Observation], now_s: float) -> None:
        self.reader.waiting = [(now_s, ReadRecord(EventSource(P, n), one)) for n, one in enumerate(observations)]
        self.pass_to(now_s)

    def pass_to(self, now_s: float) -> None:
        self.reader.settled_s = now_s
        self.writer.step()

    def value(self, name: str, **labels: str) -> float | None:
        return self.writer.metrics.registry.get_sample_value(f"stripwatch_coils_{name}", labels)


@pytest.fixture
def line() -> Line:
    return Line()


def test_counts_a_fault_found_by_a_correction_once(line: Line) -> None:
    frames = [frame(second) for second in range(40)]
    line.see([*frames[:20], *frames[21:]], 0)
    line.pass_to(200)
    assert (line.value("faulty_total", fault="outlier"), line.value("summaries_total", kind="first")) == (0, 1)
    line.see([frame(20, place=10**6)], 210)
    line.pass_to(300)
    line.see([frame(20, place=10**6, camera="top-2")], 310)
    line.pass_to(400)
    assert (line.value("faulty_total", fault="outlier"), line.value("summaries_total", kind="corrected")) == (1, 2)


def test_hung_main_loop_is_neither_caught_up_nor_alive(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.pass_to(0)
    assert (line.value("caught_up"), line.writer.is_alive()) == (1, True)
    stepped_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: stepped_s + 301)
    assert (line.value("caught_up"), line.writer.is_alive()) == (0, False)


def test_alternating_late_frames_of_two_coils_are_logged_once_per_coil(line: Line) -> None:
    coils, seconds = ("C1", "C2"), range(20)
    line.see([frame(second, coil=coil) for second in seconds if second not in (5, 6, 7) for coil in coils], 0)
    line.pass_to(200)
    with capture_logs() as logs:
        line.see([frame(second, coil=coil, recorded_s=210) for second in (5, 6, 7) for coil in coils], 210)
    assert [entry["coil"] for entry in logs if entry["event"].startswith("late frames of an ended coil")] == [
        "C1",
        "C2",
    ]
