"""The stages together, without broker: order, accounting, and a stage that dies takes the worker with it."""

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from msgspec.structs import replace as replace_struct
from onnx import helper, numpy_helper
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from stripwatch.worker.common.errors import InferenceError, MemoryShortageError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.contracts.events import FrameFlag, Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.positions import CommitPoint, Partition
from stripwatch.worker.images.decode_spec import DecodeSpec, Image, Pixels
from stripwatch.worker.model.batch_policy import BatchPolicy
from stripwatch.worker.model.bundle import Threshold, read_bundle
from stripwatch.worker.model.loaded_model import LoadedModel, open_model
from stripwatch.worker.model.session import Output, Session, WarmedBatch
from stripwatch.worker.model.trained_range import TrainedFrames
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.inspect.deadline import NO_DEADLINE, Deadline
from stripwatch.worker.pipeline.inspect.decode_pool import DecodePool
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome, Prediction, RejectedFrame
from stripwatch.worker.pipeline.inspect.pipeline import Pipeline, PipelineDependencies, Publisher, build_dependencies
from tests.badframes import BAD_FRAMES
from tests.frames import make_frame
from tests.tiny import (
    LABELS,
    SPEC,
    build_model,
    encode_frame,
    expected_scores,
    mapped_contract,
    tiny_contract,
    write_bundle,
)
from tests.waiting import wait_until

FRAMES = Partition("frames", 0)


class Collector:
    """A publisher that settles at once, or keeps the settlements for later."""

    def __init__(self, hold: bool = False) -> None:
        self.events: list[Result | Reject] = []
        self.held: list[Callable[[], None]] = []
        self._hold = hold

    def publish(self, event: Result | Reject, frame: Frame, settle: Callable[[], None]) -> None:
        self.events.append(event)
        if self._hold:
            self.held.append(settle)
        else:
            settle()

    def flush(self, timeout_s: float) -> None:
        pass


SETTINGS = load_settings(None, {"decode_threads": 2, "provider": "cpu", "inference_threads": 1, "batch_frames_max": 4})


def opened(path: Path) -> LoadedModel:
    return open_model(read_bundle(path), SETTINGS)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return opened(write_bundle(tmp_path_factory.mktemp("bundle") / "tiny.onnx"))


def parts_with(publisher: Publisher, deadline: Deadline = NO_DEADLINE) -> PipelineDependencies:
    metrics = Metrics(CollectorRegistry())
    parts = build_dependencies(SETTINGS, metrics, publisher, InFlightLimiter(10_000, 10**9), deadline)
    parts.tracker.assign([FRAMES])
    return parts


def feed(
    pipeline: Pipeline,
    parts: PipelineDependencies,
    encoded: list[bytes],
    captured_ms: Sequence[int] = (),
    first: int = 0,
) -> None:
    for offset, content in enumerate(encoded, first):
        frame = make_frame(offset, content, **({"captured_ms": captured_ms[offset]} if captured_ms else {}))
        assert parts.tracker.register(frame.position)
        parts.limiter.acquire(len(frame.encoded))
        pipeline.take(frame)


def overflowing_model() -> onnx.ModelProto:
    """The tiny model, whose heatmaps are NaN for frames brighter than 0.95: the logarithm of what is left up to it."""
    model = build_model(heatmaps=True)
    node = next(node for node in model.graph.node if node.output[0] == "heatmaps")
    node.output[0] = "sound"
    for name, value in (("limit", 0.95), ("nothing", 0.0)):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    model.graph.node.extend(
        [
            helper.make_node("ReduceMean", ["scaled"], ["mean"], axes=[1, 2, 3], keepdims=1),
            helper.make_node("Sub", ["limit", "mean"], ["left"]),
            helper.make_node("Log", ["left"], ["logarithm"]),
            helper.make_node("Mul", ["logarithm", "nothing"], ["fault"]),
            helper.make_node("Add", ["sound", "fault"], ["heatmaps"]),
        ]
    )
    return model


def test_a_defect_is_reported_even_if_its_heatmap_is_not_finite(tmp_path: Path) -> None:
    model = opened(write_bundle(tmp_path / "m.onnx", mapped_contract(), overflowing_model()))
    publisher = Collector()
    parts = parts_with(publisher)
    pipeline = Pipeline(parts, model)
    pipeline.start()
    feed(pipeline, parts, [encode_frame(0.99), encode_frame(0.9)])
    assert pipeline.drain(60)
    unlocated, located = publisher.events
    assert isinstance(unlocated, Result)
    assert isinstance(located, Result)
    assert unlocated.verdict == located.verdict == "defect"
    assert [(defect.label, defect.box_px) for defect in unlocated.defects] == [("bright", None)]
    assert located.defects[0].box_px is not None
    assert parts.metrics.registry.get_sample_value("stripwatch_unlocated_defects_total") == 1


def test_flagged_frames_are_unsure_without_defects_and_counted_by_camera_and_flag(tmp_path: Path) -> None:
    trained = TrainedFrames.of([(48, 32)], [1.0])
    flagging = opened(write_bundle(tmp_path / "flagging.onnx", tiny_contract(trained=trained)))
    check = replace(flagging.size_check, scales_mm_per_px={"top-2": 3.0})
    publisher = Collector()
    parts = parts_with(publisher)
    pipeline = Pipeline(parts, replace(flagging, size_check=check))
    pipeline.start()
    sizes = [("top-1", (32, 48)), ("top-1", (32, 480)), ("top-2", (32, 48))]
    frames = [make_frame(at, encode_frame(0.9, size), camera=name) for at, (name, size) in enumerate(sizes)]
    for frame in frames:
        parts.tracker.register(frame.position)
        parts.limiter.acquire(len(frame.encoded))
        pipeline.take(frame)
    pipeline.drain(10)
    results = [event for event in publisher.events if isinstance(event, Result)]
    assert [(each.verdict, each.label, each.flags) for each in results] == [
        ("defect", "bright", ()),
        ("unsure", "bright", (FrameFlag.SIZE,)),
        ("unsure", "bright", (FrameFlag.SCALE,)),
    ]
    assert [len(each.defects) for each in results] == [1, 0, 0]
    value = parts.metrics.registry.get_sample_value
    for camera, flag in (("top-1", "size"), ("top-2", "scale")):
        assert value("stripwatch_flagged_frames_total", {"camera": camera, "flag": flag}) == 1
    assert value("stripwatch_defects_total", {"label": "bright", "camera": "top-1"}) == 1


def test_a_frame_without_memory_ends_the_worker_and_is_not_committed(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripwatch.worker.pipeline.consume.memory_shortage._PAUSES_S", (0.0, 0.0))

    def decode(encoded: bytes, *_: object) -> Image:
        if encoded == b"large":
            raise MemoryError
        return model.decode(encoded)

    publisher = Collector()
    parts = parts_with(publisher)
    pipeline = Pipeline(parts, replace(model, decode=decode))
    pipeline.start()
    feed(pipeline, parts, [encode_frame(0.5), b"large"])
    wait_until(pipeline.failed.is_set)
    pipeline.drain(5)
    with pytest.raises(MemoryShortageError) as caught:
        pipeline.raise_failure()
    assert caught.value.exit_code == 12
    assert not any(isinstance(event, Reject) for event in publisher.events)
    assert parts.tracker.next_offsets()[FRAMES] <= 1
    assert parts.metrics.registry.get_sample_value("stripwatch_memory_shortages_total") == 3


@pytest.mark.parametrize("batches_in_flight", [1, 3])
def test_every_frame_comes_out_once_in_order_and_is_counted(model: LoadedModel, batches_in_flight: int) -> None:
    publisher = Collector()
    parts = parts_with(publisher)
    bad = [value or b"" for value, _ in BAD_FRAMES.values()]
    encoded = [
        x for pair in zip((encode_frame(i / 40, seed=i) for i in range(40)), bad * 3, strict=False) for x in pair
    ]
    pipeline = Pipeline(parts, model, batches_in_flight=batches_in_flight)
    pipeline.start()
    feed(pipeline, parts, encoded)
    assert pipeline.drain(60)
    assert [event.frame.offset for event in publisher.events] == list(range(len(encoded)))
    assert parts.tracker.committable() == {FRAMES: CommitPoint(len(encoded))}
    assert (parts.limiter.frames, parts.limiter.bytes) == (0, 0)
    read = parts.metrics.registry.get_sample_value
    results = sum(read("stripwatch_results_total", {"verdict": v}) or 0 for v in ("clean", "unsure", "defect"))
    rejects = sum(
        read("stripwatch_rejects_total", {"reason": r}) or 0 for r in {e.value for _, e in BAD_FRAMES.values()}
    )
    assert (results, rejects) == (40, 40)
    assert read("stripwatch_batch_frames_sum") == 40
    assert read("stripwatch_frame_age_seconds_count") == 40


def test_measured_frames_bring_their_statistics_to_the_end_and_others_none(model: LoadedModel) -> None:
    seen: list[FrameOutcome] = []
    turns = iter([True, False, True, False])
    parts = replace(
        parts_with(Collector()),
        decoding=DecodePool(1, NO_DEADLINE.skips, lambda camera: camera == "top-1" and next(turns)),
    )
    pipeline = Pipeline(parts, model, on_outcome=lambda outcome, _: seen.append(outcome))
    pipeline.start()
    feed(pipeline, parts, [encode_frame(0.5), encode_frame(0.5), encode_frame(0.1), b"no image"])
    assert pipeline.drain(60)
    measured = [
        each.statistics.brightness if each.statistics else None for each in seen if isinstance(each, Prediction)
    ]
    assert measured == [pytest.approx(127.5, abs=1), None, pytest.approx(25.5, abs=1)]
    assert isinstance(seen[-1], RejectedFrame)


def test_nothing_is_committable_before_it_is_acknowledged(model: LoadedModel) -> None:
    publisher = Collector(hold=True)
    parts = parts_with(publisher)
    pipeline = Pipeline(parts, model)
    pipeline.start()
    feed(pipeline, parts, [encode_frame(0.5)] * 3)
    assert not pipeline.drain(60)
    assert parts.tracker.committable() == {FRAMES: CommitPoint(0)}
    for settle in publisher.held[1:]:
        settle()
    assert parts.tracker.committable() == {FRAMES: CommitPoint(0)}
    publisher.held[0]()
    assert parts.tracker.committable() == {FRAMES: CommitPoint(3)}


def test_a_capture_in_the_future_counts_as_age_zero(model: LoadedModel) -> None:
    publisher = Collector()
    parts = parts_with(publisher)
    pipeline = Pipeline(parts, model)
    pipeline.start()
    frame = make_frame(0, encode_frame(0.5), captured_ms=99_000_000_000_000)
    parts.tracker.register(frame.position)
    parts.limiter.acquire(len(frame.encoded))
    pipeline.take(frame)
    pipeline.drain(60)
    read = parts.metrics.registry.get_sample_value
    assert read("stripwatch_negative_frame_ages_total") == 1
    assert read("stripwatch_frame_age_seconds_sum") == 0


def test_late_frames_are_skipped_in_their_place_and_counted(model: LoadedModel) -> None:
    publisher, now_ms = Collector(), 1_700_000_010_000
    parts = parts_with(publisher, Deadline(5.0, skip=True, now_s=lambda: now_ms / 1000))
    pipeline = Pipeline(parts, model)
    pipeline.start()
    encoded = [encode_frame(0.5), b"no image", b"no image, but late", encode_frame(0.5)]
    feed(pipeline, parts, encoded, captured_ms=[now_ms, now_ms, now_ms - 5001, now_ms - 5001])
    assert pipeline.drain(60)
    states = [event.state if isinstance(event, Result) else event.reason for event in publisher.events]
    assert states == ["inspected", "unsupported_format", "skipped", "skipped"]
    assert parts.tracker.committable() == {FRAMES: CommitPoint(4)}
    read = parts.metrics.registry.get_sample_value
    assert read("stripwatch_late_frames_total") == 2
    assert read("stripwatch_results_total", {"verdict": "skipped"}) == 2
    assert read("stripwatch_batch_frames_sum") == 1


def test_a_frame_that_grows_late_in_the_queue_is_skipped_with_its_size(model: LoadedModel) -> None:
    publisher, now_s = Collector(), [1_700_000_000.0]

    def decode_for_a_minute(encoded: bytes, *_: object) -> Image:
        now_s[0] += 60
        return model.decode(encoded)

    parts = parts_with(publisher, Deadline(5.0, True, lambda: now_s[0]))
    pipeline = Pipeline(parts, replace(model, decode=decode_for_a_minute))
    pipeline.start()
    feed(pipeline, parts, [encode_frame(0.5)])
    assert pipeline.drain(60)
    (event,) = publisher.events
    assert isinstance(event, Result)
    assert (event.state, event.frame.width_px, event.frame.height_px) == ("skipped", 48, 32)


def test_late_frames_are_inspected_and_counted_unless_configured_to_skip(model: LoadedModel) -> None:
    publisher = Collector()
    parts = parts_with(publisher, Deadline(5.0, skip=False))
    pipeline = Pipeline(parts, model)
    pipeline.start()
    feed(pipeline, parts, [encode_frame(0.5)] * 3)
    assert pipeline.drain(60)
    assert [event.state for event in publisher.events if isinstance(event, Result)] == ["inspected"] * 3
    assert parts.metrics.registry.get_sample_value("stripwatch_late_frames_total") == 3


def test_a_swap_between_two_frames_moves_decode_labels_and_name_at_once(model: LoadedModel, tmp_path: Path) -> None:
    """The two want other sizes and colours: one frame in the wrong session would fail."""
    spec = DecodeSpec(height_px=8, width_px=8, colour="grey")
    labels = ["black", "iron", "white"]
    golden = [
        replace_struct(frame, label=label)
        for frame, label in zip(tiny_contract(decode=spec).golden, labels, strict=True)
    ]
    thresholds = {label: Threshold() for label in labels}
    manifest = tiny_contract(decode=spec, labels=labels, golden=golden, clean_label="iron", thresholds=thresholds)
    new = opened(write_bundle(tmp_path / "new.onnx", manifest))
    publisher = Collector()
    parts = parts_with(publisher)
    pipeline = Pipeline(parts, model)
    encoded = [encode_frame(i / 100, seed=i) for i in range(100)]
    feed(pipeline, parts, encoded[:50])  # all of them wait, so that some batch has frames of both
    pipeline.swap(new)
    feed(pipeline, parts, encoded[50:], first=50)
    pipeline.start()
    assert pipeline.drain(60)
    results = [event for event in publisher.events if isinstance(event, Result)]
    assert [event.model for event in results] == [model.info] * 50 + [new.info] * 50
    for event, content in zip(results, encoded, strict=True):
        first = event.model == model.info
        expected = expected_scores(content, SPEC if first else spec)
        assert event.scores == pytest.approx(dict(zip(LABELS if first else labels, expected, strict=True)), abs=1e-5)


def test_the_old_model_goes_with_its_last_frame(model: LoadedModel, tmp_path: Path) -> None:
    old = opened(write_bundle(tmp_path / "old.onnx", tiny_contract(version="0")))
    runner = old.session._free.get()
    gone = weakref.ref(runner)
    old.session._free.put(runner)
    del runner
    publisher = Collector(hold=True)
    parts = parts_with(publisher)
    pipeline = Pipeline(parts, old)
    pipeline.start()
    feed(pipeline, parts, [encode_frame(0.5)] * 10)
    pipeline.swap(model)
    del old
    wait_until(lambda: len(publisher.events) == 10)
    wait_until(lambda: gone() is None)  # though no frame came since, and no result is acknowledged
    pipeline.drain(1)


class MeetingSession(Session):
    """Answers a batch only when another is there too."""

    meeting: threading.Barrier

    def predict(self, frames: Pixels) -> Output:
        self.meeting.wait(30)
        return super().predict(frames)


def test_two_batches_are_with_the_model_at_once(model: LoadedModel) -> None:
    session = MeetingSession(**{field.name: getattr(model.session, field.name) for field in fields(Session)})
    session.meeting = threading.Barrier(2)
    publisher = Collector()
    parts = parts_with(publisher)
    policy = BatchPolicy([WarmedBatch(1, 1.0)], 1)
    pipeline = Pipeline(parts, replace(model, session=session, batch_policy=policy), batches_in_flight=2)
    pipeline.start()
    feed(pipeline, parts, [encode_frame(i / 10) for i in range(10)])
    assert pipeline.drain(60)
    assert [event.frame.offset for event in publisher.events] == list(range(10))


class BrokenSession(Session):
    def predict(self, frames: Pixels) -> Output:
        raise InferenceError("the device is gone")


class Fault(BaseException):
    pass


class FaultyPublisher(Collector):
    def publish(self, event: Result | Reject, frame: Frame, settle: Callable[[], None]) -> None:
        raise Fault


@pytest.mark.parametrize(
    ("broken", "failure"), [("model", InferenceError), ("publisher", Fault)], ids=["model", "publisher"]
)
def test_a_stage_that_dies_takes_the_worker_with_it(
    model: LoadedModel, broken: str, failure: type[BaseException]
) -> None:
    if broken == "model":
        session = BrokenSession(**{field.name: getattr(model.session, field.name) for field in fields(Session)})
        model = replace(model, session=session)
    parts = parts_with(FaultyPublisher() if broken == "publisher" else Collector())
    pipeline = Pipeline(parts, model)
    with capture_logs() as logs:
        pipeline.start()
        feed(pipeline, parts, [encode_frame(0.5)])
        assert pipeline.failed.wait(30)
    (said,) = [line for line in logs if line["event"] == "the worker cannot continue"]
    assert said["error"] == ("the device is gone" if broken == "model" else "Fault")
    with pytest.raises(failure):
        pipeline.raise_failure()
    assert not pipeline.drain(30)
    assert not any(thread.name in ("predict", "publish") for thread in threading.enumerate())
    assert parts.tracker.committable() == {FRAMES: CommitPoint(0)}
