"""Frames are decoded in parallel and returned in order."""

import threading
import time
from collections.abc import Iterable
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.positions import DiscardedValue
from stripwatch.worker.images.decode import Reserve, no_reserve
from stripwatch.worker.images.decode_spec import Image
from stripwatch.worker.images.image_statistics import CameraSampler, FrameSampler
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.pipeline.inspect.deadline import Deadline
from stripwatch.worker.pipeline.inspect.decode_budget import DecodeBudget
from stripwatch.worker.pipeline.inspect.decode_pool import DecodePool
from stripwatch.worker.pipeline.inspect.outcomes import Decoded, DecodedFrame, RejectedFrame, Skipped
from tests.frames import make_frame
from tests.models import IMAGE, make_model


def test_returns_the_oldest_frame_first_even_if_a_later_one_is_done() -> None:
    first_may_go = threading.Event()
    second_done = threading.Event()

    def decode(encoded: bytes, *_: object) -> Image:
        if encoded == b"first":
            assert first_may_go.wait(30)
        else:
            second_done.set()
        return IMAGE

    pool, model = DecodePool(2), make_model(decode=decode)
    first, second = make_frame(0, b"first"), make_frame(1, b"second")
    pool.submit(first, model)
    pool.submit(second, model)
    assert second_done.wait(30)
    assert pool.head(0) is None
    first_may_go.set()
    heads = [pool.head(None), pool.head(None)]
    assert [head.frame for head in heads if head] == [first, second]
    pool.close()
    assert pool.head(None) is None
    assert pool.head(0) is None


def test_rejects_a_discarded_frame_with_the_reason_given() -> None:
    pool, model = DecodePool(1), make_model()
    value = DiscardedValue.of(5, RejectReason.TOO_MANY_BYTES, "5 bytes, over the limit of 4")
    pool.submit(replace(make_frame(0, b""), discarded=value), model)
    outcome = pool.head(None)
    pool.close()
    assert isinstance(outcome, RejectedFrame)
    assert (outcome.error.reason, outcome.error.detail) == (value.reason, value.detail)


def test_returns_none_without_waiting_if_no_frame_is_decoded() -> None:
    pool = DecodePool(1)
    assert pool.head(0) is None
    assert pool.head(0.001) is None
    pool.close()


def test_a_rejected_frame_keeps_its_place() -> None:
    def decode(encoded: bytes, *_: object) -> Image:
        if encoded == b"bad":
            raise FrameRejected(RejectReason.TRUNCATED, "half of it")
        return IMAGE

    pool, model = DecodePool(2), make_model(decode=decode)
    for offset, encoded in enumerate((b"good", b"bad", b"good")):
        pool.submit(make_frame(offset, encoded), model)
    pool.close()
    heads = [pool.head(None) for _ in range(4)]
    assert [type(head) for head in heads] == [Decoded, RejectedFrame, Decoded, type(None)]


def test_a_bug_in_decoding_costs_one_frame_and_is_logged() -> None:
    pool = DecodePool(1)
    with capture_logs() as logs:
        pool.submit(make_frame(7), make_model(decode=lambda *_: Image(*[])))
        head = pool.head(None)
    pool.close()
    assert isinstance(head, RejectedFrame)
    assert head.error.reason == RejectReason.UNDECODABLE
    assert "TypeError" in head.error.detail
    assert logs[0]["frame"] == head.frame.id


def test_a_late_frame_is_not_decoded_and_keeps_its_place() -> None:
    pool = DecodePool(2, Deadline(60, skip=True))
    decoded: list[bytes] = []

    def decode(encoded: bytes, *_: object) -> Image:
        decoded.append(encoded)
        return IMAGE

    now_ms = round(time.time() * 1000)
    for offset, (encoded, captured_ms) in enumerate(((b"1", now_ms), (b"late", now_ms - 3_600_000), (b"2", now_ms))):
        pool.submit(make_frame(offset, encoded, captured_ms=captured_ms), make_model(decode=decode))
    pool.close()
    assert [type(pool.head(None)) for _ in range(3)] == [Decoded, Skipped, Decoded]
    assert sorted(decoded) == [b"1", b"2"]


def test_a_replayed_frame_is_not_measured() -> None:
    pool = DecodePool(1, sampler=CameraSampler(0))
    for offset, reject_id in enumerate((None, "a-reject")):
        pool.submit(make_frame(offset, replay_of=reject_id), make_model(decode=lambda *_: IMAGE))
    pool.close()
    heads = [pool.head(None) for _ in range(2)]
    assert [isinstance(head, Decoded) and head.statistics is not None for head in heads] == [True, False]


class ColourMeter:
    """Measures the colour of frames, and records which."""

    def __init__(self, error: Exception | None = None) -> None:
        self.measured: list[int] = []
        self._error = error

    def __call__(self, frame: Frame, reserve: Reserve = no_reserve, /) -> int:
        reserve(1000)
        self.measured.append(frame.position.offset)
        if self._error:
            raise self._error
        return 42


def decoded(model: LoadedModel, frames: Iterable[Frame], interval_frames: int = 1) -> list[DecodedFrame]:
    pool = DecodePool(1, colour_sampler=FrameSampler(interval_frames))
    for frame in frames:
        pool.submit(frame, model)
    pool.close()
    outcomes = []
    while (outcome := pool.head(None)) is not None:
        outcomes.append(outcome)
    return outcomes


def test_measures_the_colour_of_one_frame_in_three_of_a_model_that_sees_grey() -> None:
    meter = ColourMeter()
    outcomes = decoded(make_model(measure_colour=meter), (make_frame(offset) for offset in range(7)), 3)
    assert meter.measured == [0, 3, 6]
    assert [outcome.colour for outcome in outcomes if isinstance(outcome, Decoded)] == [
        42,
        None,
        None,
        42,
        None,
        None,
        42,
    ]


def test_measures_no_colour_of_replayed_or_flagged_frames_or_for_a_model_that_sees_colour() -> None:
    meter = ColourMeter()
    flagged = replace(IMAGE, flags=(FrameFlag.DAMAGED,))
    replayed = replace(make_frame(1), replay_of="0")
    for model, frame in (
        (make_model(measure_colour=meter), replayed),
        (make_model(measure_colour=meter, decode=lambda *_: flagged), make_frame(2)),
        (make_model(), make_frame(3)),
    ):
        (outcome,) = decoded(model, [frame])
        assert isinstance(outcome, Decoded)
        assert outcome.colour is None
    assert meter.measured == []


def test_measures_no_colour_if_the_memory_for_decoded_frames_is_short() -> None:
    meter = ColourMeter()
    pool = DecodePool(1, budget=DecodeBudget(999), colour_sampler=FrameSampler(1))
    pool.submit(make_frame(0), make_model(measure_colour=meter))
    outcome = pool.head(None)
    pool.close()
    assert isinstance(outcome, Decoded)
    assert (outcome.colour, meter.measured) == (None, [])


@pytest.mark.parametrize("error", [FrameRejected(RejectReason.DAMAGED, ""), MemoryError()])
def test_a_frame_whose_colour_cannot_be_measured_is_inspected_all_the_same(error: Exception) -> None:
    (outcome,) = decoded(make_model(measure_colour=ColourMeter(error)), [make_frame(0)])
    assert isinstance(outcome, Decoded)
    assert outcome.colour is None
