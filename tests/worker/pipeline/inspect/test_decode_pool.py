"""Frames are decoded in parallel and returned in order."""

import threading
import time
from dataclasses import replace

from structlog.testing import capture_logs

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.positions import DiscardedValue
from stripwatch.worker.images.decode_spec import Image
from stripwatch.worker.images.image_statistics import CameraSampler
from stripwatch.worker.pipeline.inspect.deadline import Deadline
from stripwatch.worker.pipeline.inspect.decode_pool import DecodePool
from stripwatch.worker.pipeline.inspect.outcomes import Decoded, RejectedFrame, Skipped
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
