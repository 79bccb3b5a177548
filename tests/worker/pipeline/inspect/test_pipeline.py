"""All stages together, without a broker: order, accounting, and a stage that fails ends the worker."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from stripwatch.worker.common.errors import MemoryShortageError
from stripwatch.worker.contracts.events import FrameFlag, Reject, Result
from stripwatch.worker.contracts.positions import CommitPoint
from stripwatch.worker.images.decode_spec import Image
from stripwatch.worker.images.image_statistics import CameraSampler
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.trained_range import TrainedFrames
from stripwatch.worker.pipeline.inspect.deadline import Deadline
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome, Prediction, RejectedFrame
from tests.badframes import BAD_FRAMES
from tests.frames import make_frame
from tests.tiny import build_model, encode_frame, mapped_contract, tiny_contract, write_bundle
from tests.waiting import wait_until
from tests.worker.pipeline.inspect.stages import FRAMES, Collector, Parts, feed, opened


def overflowing_model() -> onnx.ModelProto:
    """The tiny model, with heatmaps that are NaN for frames brighter than 0.95, because they are a logarithm of 0.95
    minus the brightness.
    """
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


def test_reports_a_defect_even_if_its_heatmap_is_not_finite(tmp_path: Path) -> None:
    model = opened(write_bundle(tmp_path / "m.onnx", mapped_contract(), overflowing_model()))
    publisher = Collector()
    parts = Parts(publisher)
    pipeline = parts.pipeline(model)
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
    parts = Parts(publisher)
    pipeline = parts.pipeline(replace(flagging, size_check=check))
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


def test_a_memory_shortage_ends_the_worker_and_commits_nothing(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripwatch.worker.pipeline.consume.memory_shortage._PAUSES_S", (0.0, 0.0))

    def decode(encoded: bytes, *_: object) -> Image:
        if encoded == b"large":
            raise MemoryError
        return model.decode(encoded)

    publisher = Collector()
    parts = Parts(publisher)
    pipeline = parts.pipeline(replace(model, decode=decode))
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
def test_publishes_every_frame_once_in_order_and_counts_it(model: LoadedModel, batches_in_flight: int) -> None:
    publisher = Collector()
    parts = Parts(publisher)
    bad = [value or b"" for value, _ in BAD_FRAMES.values()]
    encoded = [
        x for pair in zip((encode_frame(i / 40, seed=i) for i in range(40)), bad * 3, strict=False) for x in pair
    ]
    pipeline = parts.pipeline(model, batches_in_flight=batches_in_flight)
    pipeline.start()
    feed(pipeline, parts, encoded)
    assert pipeline.drain(60)
    assert [event.frame.offset for event in publisher.events] == list(range(len(encoded)))
    assert parts.tracker.committable() == {FRAMES: CommitPoint(len(encoded))}
    assert (parts.limiter.frames, parts.limiter.bytes) == (0, 0)
    read = parts.metrics.registry.get_sample_value
    results = sum(read("stripwatch_results_total", {"verdict": v}) or 0 for v in ("clean", "unsure", "defect"))
    rejects = sum(
        read("stripwatch_rejects_total", {"reason": reason, "camera": "top-1"}) or 0
        for reason in {expected.value for _, expected in BAD_FRAMES.values()}
    )
    assert (results, rejects) == (40, 40)
    assert read("stripwatch_batch_frames_sum") == 40
    assert read("stripwatch_frame_age_seconds_count") == 40


class OutcomeLog(FrameObserver):
    def __init__(self) -> None:
        self.outcomes: list[FrameOutcome] = []

    def on_sent(self, outcome: FrameOutcome, event: Result | Reject) -> None:
        self.outcomes.append(outcome)


def test_only_sampled_frames_have_statistics(model: LoadedModel) -> None:
    at_s = iter([0, 0, 1, 2])  # these frames are decoded one after the other
    parts, seen = Parts(Collector()), OutcomeLog()
    pipeline = parts.pipeline(model, seen, CameraSampler(1, lambda: next(at_s)), decode_threads=1)
    pipeline.start()
    feed(pipeline, parts, [encode_frame(0.5), encode_frame(0.5), encode_frame(0.1), b"no image"])
    assert pipeline.drain(60)
    measured = [
        each.statistics.brightness if each.statistics else None
        for each in seen.outcomes
        if isinstance(each, Prediction)
    ]
    assert measured == [pytest.approx(127.5, abs=1), None, pytest.approx(25.5, abs=1)]
    assert isinstance(seen.outcomes[-1], RejectedFrame)


def test_nothing_is_committable_before_the_acknowledgement(model: LoadedModel) -> None:
    publisher = Collector(hold=True)
    parts = Parts(publisher)
    pipeline = parts.pipeline(model)
    pipeline.start()
    feed(pipeline, parts, [encode_frame(0.5)] * 3)
    assert not pipeline.drain(60)
    assert parts.tracker.committable() == {FRAMES: CommitPoint(0)}
    for outgoing in publisher.held[1:]:
        outgoing.settle()
    assert parts.tracker.committable() == {FRAMES: CommitPoint(0)}
    publisher.held[0].settle()
    assert parts.tracker.committable() == {FRAMES: CommitPoint(3)}


def test_a_capture_time_in_the_future_counts_as_age_zero(model: LoadedModel) -> None:
    publisher = Collector()
    parts = Parts(publisher)
    pipeline = parts.pipeline(model)
    pipeline.start()
    frame = make_frame(0, encode_frame(0.5), captured_ms=99_000_000_000_000)
    parts.tracker.register(frame.position)
    parts.limiter.acquire(len(frame.encoded))
    pipeline.take(frame)
    pipeline.drain(60)
    read = parts.metrics.registry.get_sample_value
    assert read("stripwatch_negative_frame_ages_total") == 1
    assert read("stripwatch_frame_age_seconds_sum") == 0


def test_late_frames_are_skipped_in_order_and_counted(model: LoadedModel) -> None:
    publisher, now_ms = Collector(), 1_700_000_010_000
    parts = Parts(publisher, Deadline(5.0, skip=True, now_s=lambda: now_ms / 1000))
    pipeline = parts.pipeline(model)
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


def test_a_frame_that_becomes_late_in_the_queue_is_skipped_with_its_size(model: LoadedModel) -> None:
    publisher, now_s = Collector(), [1_700_000_000.0]

    def decode_for_a_minute(encoded: bytes, *_: object) -> Image:
        now_s[0] += 60
        return model.decode(encoded)

    parts = Parts(publisher, Deadline(5.0, True, lambda: now_s[0]))
    pipeline = parts.pipeline(replace(model, decode=decode_for_a_minute))
    pipeline.start()
    feed(pipeline, parts, [encode_frame(0.5)])
    assert pipeline.drain(60)
    (event,) = publisher.events
    assert isinstance(event, Result)
    assert (event.state, event.frame.width_px, event.frame.height_px) == ("skipped", 48, 32)


def test_late_frames_are_inspected_and_counted_unless_configured_to_skip(model: LoadedModel) -> None:
    publisher = Collector()
    parts = Parts(publisher, Deadline(5.0, skip=False))
    pipeline = parts.pipeline(model)
    pipeline.start()
    feed(pipeline, parts, [encode_frame(0.5)] * 3)
    assert pipeline.drain(60)
    assert [event.state for event in publisher.events if isinstance(event, Result)] == ["inspected"] * 3
    assert parts.metrics.registry.get_sample_value("stripwatch_late_frames_total") == 3
