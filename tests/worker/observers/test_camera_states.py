"""States of cameras are sent on change and regularly, by the worker that holds the camera's partition."""

import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from kafka.errors import KafkaTimeoutError
from kafka.future import Future
from structlog.testing import capture_logs

from stripwatch.worker.contracts.line.camera_state import CameraState, ColourCounts, Condition, NoveltyCounts
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.observers.best_effort_producer import BestEffortProducer
from stripwatch.worker.observers.camera_states import CameraStates
from stripwatch.worker.observers.conditions.image_limits import ImageLimit
from stripwatch.worker.observers.drift import CameraReport
from stripwatch.worker.observers.reject_rate import CameraRejects
from stripwatch.worker.pipeline.inspect.outcomes import RejectedFrame
from tests.fake_producer import FakeProducer
from tests.frames import make_frame
from tests.waiting import wait_until
from tests.worker.pipeline.samples import MODEL, prediction, reject, result

ALL: dict[Condition, bool] = dict.fromkeys(("silent", "rejecting", "frozen", "dark", "bright", "untrained_size"), False)


class Producer(FakeProducer):
    """Records what was sent. While `may_send` is not set, a call to send waits, as for a broker that is away."""

    def __init__(self) -> None:
        super().__init__()
        self.may_send = threading.Event()
        self.may_send.set()
        self.sending = threading.Event()
        self.states: list[tuple[bytes, CameraState, dict[str, bytes]]] = []
        self.error: Exception | None = None

    def send(self, topic: str, value: bytes, key: bytes, headers: list[tuple[str, bytes]], timestamp_ms: int) -> Future:
        self.sending.set()
        assert self.may_send.wait(60)
        if self.error:
            return Future().failure(self.error)
        assert topic == "inspection.cameras"
        self.states.append((key, msgspec.json.decode(value, type=CameraState), dict(headers)))
        return Future().success(None)


class Reporter:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.held = [Partition("frames", 0)]
        self.producer = Producer()
        self.failed = 0
        self.rejects = CameraRejects(60, 0.1, str, lambda: self.now_s)
        self.states = CameraStates(
            "inspection.cameras",
            BestEffortProducer(lambda: self.producer, self._fail),
            10,
            "host-0",
            lambda camera: "other" if camera == "too-many" else camera,
            self.rejects,
            lambda: self.held,
            lambda: self.now_s,
            lambda: 1_800_000_000 + self.now_s,
        )

    def _fail(self) -> None:
        self.failed += 1

    def sees(self, offset: int = 5, camera: str = "top-1", **frame: Any) -> None:
        self.states.on_sent(prediction((0.9, 0.1), camera=camera, **frame), result(make_frame(offset), False))

    def reports(self, *holding: Condition, camera: str = "top-1", **report: Any) -> None:
        conditions = {**ALL, **dict.fromkeys(holding, True)}
        self.states.update({camera: CameraReport(conditions, **report)})

    def received(self, count: int) -> list[CameraState]:
        wait_until(lambda: len(self.producer.states) >= count)
        assert len(self.producer.states) == count
        return [state for _, state, _ in self.producer.states]


@pytest.fixture
def reporter() -> Iterator[Reporter]:
    made = Reporter()
    made.states.start()
    yield made
    made.producer.may_send.set()
    made.states.close(10)


def test_sends_a_state_at_first_on_change_and_at_the_interval(reporter: Reporter) -> None:
    reporter.sees()
    for now_s, holding in ((0, ()), (1, ()), (2, ("dark",)), (3, ("dark",)), (12, ("dark",)), (13, ("dark", "frozen"))):
        reporter.now_s = now_s
        reporter.reports(*holding)
        wait_until(lambda: not reporter.states._waiting)
    states = reporter.received(4)
    assert [state.stated_at[17:19] for state in states] == ["00", "02", "12", "13"]
    assert [[(each.name, each.since[17:19]) for each in state.conditions] for state in states] == [
        [],
        [("dark", "02")],
        [("dark", "02")],
        [("frozen", "13"), ("dark", "02")],
    ]
    assert [state.since[17:19] for state in states] == ["00", "02", "02", "13"]


def test_a_state_has_the_key_the_headers_and_the_figures_of_its_camera(reporter: Reporter) -> None:
    frame = make_frame(9, line="/plant/line-1", source="/plant/line-1/top-1")
    reporter.rejects.on_delivered(reject(frame), frame)
    reporter.rejects.on_delivered(result(frame, defect=False), frame)
    reporter.states.on_sent(RejectedFrame(frame, MODEL, None), reject(frame))  # type: ignore[arg-type]
    reporter.reports("rejecting", statistics={"brightness": 1 / 3}, distances={"brightness": -2.0})
    (state,) = reporter.received(1)
    ((key, _, headers),) = reporter.producer.states
    assert (key, headers["ce_type"], headers["ce_source"]) == (
        b"top-1",
        b"stripwatch.camera.v1",
        b"/plant/line-1/top-1",
    )
    assert (state.camera, state.line, state.worker, state.model) == ("top-1", "/plant/line-1", "host-0", MODEL.info)
    assert (state.frames, state.rejects, state.window_s) == (2, {"truncated": 1}, 60)
    assert (state.statistics, state.distances) == ({"brightness": 0.333333}, {"brightness": -2.0})
    assert (state.frame.topic, state.frame.partition, state.frame.offset) == ("frames", 0, 9)
    assert state.unchecked == ["blurred", "drifting"], "without a reference"


def test_a_condition_states_its_limit(reporter: Reporter) -> None:
    reporter.sees()
    limit = ImageLimit("noise", 7.4, True, "this model fails from noise 8")
    reporter.reports("noisy", "frozen", statistics={"noise": 9.0}, limits={"noisy": limit})
    (state,) = reporter.received(1)
    assert [(each.name, each.detail) for each in state.conditions] == [
        ("frozen", None),
        ("noisy", "noise 9, limit above 7.4: this model fails from noise 8"),
    ]


def test_only_the_holder_of_the_partition_reports_a_camera(reporter: Reporter) -> None:
    reporter.sees()
    reporter.held = []
    reporter.reports("dark")
    reporter.held = [Partition("frames", 0)]
    reporter.reports("dark")
    assert [state.conditions[0].name for state in reporter.received(1)] == ["dark"]


def test_a_state_that_waited_until_the_partition_was_lost_is_not_sent(reporter: Reporter) -> None:
    """Otherwise it would arrive after the first state of the new worker, and replace it on the compacted topic."""
    reporter.producer.may_send.clear()
    reporter.sees()
    reporter.reports()
    assert reporter.producer.sending.wait(60)
    reporter.reports("dark")
    reporter.held = []
    reporter.producer.may_send.set()
    wait_until(lambda: not reporter.states._waiting)
    reporter.states.close(10)
    assert [state.conditions for state in reporter.received(1)] == [[]]


def test_only_the_newest_state_waits_for_a_broker_that_is_away(reporter: Reporter) -> None:
    reporter.producer.may_send.clear()
    reporter.sees()
    reporter.reports()
    assert reporter.producer.sending.wait(60)
    for number in range(100):
        reporter.reports(*(["dark"] if number % 2 else []))  # type: ignore[arg-type]
    assert len(reporter.states._waiting) == 1
    reporter.producer.may_send.set()
    assert [len(state.conditions) for state in reporter.received(2)] == [0, 1]


def test_cameras_beyond_the_limit_replays_and_forgotten_cameras_are_not_reported(reporter: Reporter) -> None:
    reporter.sees(camera="too-many")
    reporter.reports(camera="too-many")
    reporter.sees(camera="top-2", replay_of="a-reject")
    reporter.reports(camera="top-2")
    reporter.sees()
    reporter.reports()
    reporter.states.update({})  # its partition has been away for a while
    reporter.reports()
    assert [state.camera for state in reporter.received(1)] == ["top-1"]


def test_failures_are_counted_and_the_reporter_continues(reporter: Reporter) -> None:
    reporter.sees()
    reporter.producer.error = KafkaTimeoutError("too late")
    with capture_logs() as logs:
        reporter.reports()
        wait_until(lambda: reporter.failed == 1)
        reporter.reports("dark")  # within the pause after a failure
        wait_until(lambda: reporter.failed == 2)
    assert [line["event"] for line in logs] == ["cannot publish background records"]
    assert reporter.states._thread.is_alive()


def test_close_does_not_wait_longer_than_allowed(reporter: Reporter) -> None:
    reporter.producer.may_send.clear()
    reporter.sees()
    reporter.reports()
    assert reporter.producer.sending.wait(60)
    reporter.states.close(0.01)
    assert reporter.states._thread.daemon, "a process can exit although it hangs"


def test_a_state_has_the_novel_frames_and_never_lists_novel_as_unchecked(reporter: Reporter) -> None:
    """Pages of earlier versions could not read such a list, and would know no camera at all during an update."""
    counts = NoveltyCounts(600, 200, 40, 0.01)
    reporter.sees()
    reporter.reports("novel", novelty=counts)
    reporter.sees(camera="top-2")
    reporter.reports(camera="top-2")
    first, second = reporter.received(2)
    assert ([each.name for each in first.conditions], first.novelty) == (["novel"], counts)
    assert second.novelty is None
    assert "novel" not in second.unchecked


def test_a_state_has_the_colour_of_the_newest_frames_and_never_lists_it_as_unchecked(reporter: Reporter) -> None:
    counts = ColourCounts(20, 3, 57)
    reporter.sees()
    reporter.reports("coloured", colour=counts)
    reporter.received(1)
    reporter.reports()
    first, second = reporter.received(2)
    assert ([each.name for each in first.conditions], first.colour) == (["coloured"], counts)
    assert second.colour is None
    assert "coloured" not in second.unchecked
