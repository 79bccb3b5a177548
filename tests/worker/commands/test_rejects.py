"""Rejects are listed unmodified, and a replayed frame is identical to the one that the camera sent."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from stripwatch.worker.commands.reject_replayer import RejectReplayer
from stripwatch.worker.commands.rejects import Filter, parse_since, replay_rejects
from stripwatch.worker.commands.stored_reject import StoredReject, read_reject
from stripwatch.worker.common.errors import BrokerUnavailableError, FrameRejected, RejectReason, SettingsError
from stripwatch.worker.contracts.frame import read_record
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.contracts.replay_mark import replay_mark_headers, replayed_id
from stripwatch.worker.contracts.topics import REJECTS
from stripwatch.worker.pipeline.inspect.outcomes import RejectedFrame
from stripwatch.worker.pipeline.produce.record_builder import reject_headers
from tests.worker.conftest import ManualClock
from tests.worker.pipeline.samples import EVENTS, MODEL


def record(offset: int = 0, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "position": Position("frames", 2, offset),
        "timestamp_ms": 1_700_000_000_123,
        "key": b"top-1",
        "value": b"half a frame",
        "headers": [("ce_subject", b"C1")],
    }
    return Record(**(fields | changes))


def rejected(original: Record, at: int = 0, kept: int | None = None) -> StoredReject:
    """Return the reject record of a frame, built by the worker's own code."""
    frame = read_record(original, "cluster", 0.0)
    event = EVENTS.reject(RejectedFrame(frame, MODEL, FrameRejected(RejectReason.TRUNCATED, "half")))
    body = frame.encoded[:kept]
    stored = Record(Position("rejects", 0, at), 5_000, b"top-1", body, reject_headers(event, frame, len(body)))
    return read_reject(stored)


headers = st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=20)), max_size=5)


@given(key=st.none() | st.binary(min_size=1, max_size=50), value=st.binary(min_size=1, max_size=50), headers=headers)
def test_restores_the_original_frame(key: bytes | None, value: bytes, headers: Any) -> None:
    original = record(key=key, value=value, headers=headers)
    assert rejected(original).original == original


def test_foreign_record_is_not_a_reject() -> None:
    with pytest.raises(ValueError, match="stripwatch_reason"):
        read_reject(record())
    broken = [(name, b"many" if name == "stripwatch_bytes" else b"1") for name in dict(written_headers())]
    with pytest.raises(ValueError, match="stripwatch_bytes"):
        read_reject(record(headers=broken))


def written_headers() -> list[tuple[str, bytes]]:
    frame = read_record(record(), "cluster", 0.0)
    return reject_headers(EVENTS.reject(RejectedFrame(frame, MODEL, FrameRejected(RejectReason.EMPTY, "x"))), frame, 1)


def test_detects_a_replay_of_a_replay() -> None:
    first = rejected(record())
    again = rejected(record(9, headers=first.headers_again()))
    assert (first.replays, again.replays) == (0, 1)
    assert again.replay_of == first.id != again.id
    assert again.original.headers == [("ce_subject", b"C1")]
    assert dict(again.headers_again()) == {
        "ce_subject": b"C1",
        "stripwatch_replays": b"2",
        "stripwatch_replay_of": first.id.encode(),
    }


@dataclass
class Answer:
    error: Exception | None

    def get(self, timeout: float) -> None:
        if self.error:
            raise self.error


@dataclass
class FakeProducer:
    """A producer that acknowledges everything, or fails."""

    error: Exception | None = None
    sent: list[dict[str, Any]] = field(default_factory=list)
    marks: list[Record] = field(default_factory=list)
    mark_error: Exception | None = None
    marks_fail_at_once: bool = False

    def send(self, topic: str, **record: Any) -> Answer:
        if topic == REJECTS:
            self.marks.append(Record(Position(topic, 0, 0), 0, record["key"], record["value"], record["headers"]))
            if self.mark_error and self.marks_fail_at_once:
                raise self.mark_error
            return Answer(self.mark_error)
        self.sent.append({"topic": topic, **record})
        return Answer(self.error)

    def partitions_for(self, topic: str) -> set[int]:
        return {0, 1, 2}


def test_second_replay_skips_frames_marked_by_the_first() -> None:
    first, second = FakeProducer(), FakeProducer()
    stored = [rejected(record(7)), rejected(record(8), at=1)]
    replay_rejects(stored, RejectReplayer(first, "frames", replays_max=1), ManualClock(), limit=0, rate=0)
    marked = [replayed_id(mark.value, mark.headers) for mark in first.marks]
    assert marked == [reject.replay_of for reject in stored]
    again = RejectReplayer(second, "frames", 1, replays=Counter(mark for mark in marked if mark))
    replay_rejects(stored, again, ManualClock(), limit=0, rate=0)
    assert (second.sent, again.summary()["replayed_before"]) == ([], 2)
    twice = RejectReplayer(second, "frames", 2, replays=Counter(mark for mark in marked if mark))
    replay_rejects(stored, twice, ManualClock(), limit=0, rate=0)
    assert len(second.sent) == 2


def test_unaccepted_frame_is_not_marked() -> None:
    producer = FakeProducer(MessageSizeTooLargeError())
    replay_rejects([rejected(record(7))], RejectReplayer(producer, "frames", 1), ManualClock(), limit=0, rate=0)
    assert producer.marks == []


def test_marks_and_rejects_are_told_apart() -> None:
    mark = replay_mark_headers("x")
    assert mark == [("stripwatch_replayed", b"x")]
    assert (replayed_id(b"", mark), replayed_id(None, mark)) == ("x", "x")
    assert replayed_id(b"x", mark) is None
    assert replayed_id(b"", [("ce_id", b"x")]) is None
    assert replayed_id(b"", written_headers()) is None


@pytest.mark.parametrize("at_once", [True, False], ids=["send", "acknowledgement"])
def test_unaccepted_mark_is_an_error(at_once: bool) -> None:
    producer = FakeProducer(mark_error=KafkaTimeoutError("gone"), marks_fail_at_once=at_once)
    stored = [rejected(record(7)), rejected(record(8), at=1)]
    with pytest.raises(
        BrokerUnavailableError, match=r"were sent, but inspection\.rejects did not accept all replay marks"
    ):
        replay_rejects(stored, RejectReplayer(producer, "frames", 1), ManualClock(), limit=0, rate=0)


def test_sends_a_frame_once_to_its_original_partition() -> None:
    producer = FakeProducer()
    resender = RejectReplayer(producer, "frames", replays_max=1)
    twice = [rejected(record(7)), rejected(record(7), at=1), rejected(record(8))]
    replay_rejects(twice, resender, ManualClock(), limit=0, rate=0)
    assert [sent["partition"] for sent in producer.sent] == [2, 2]
    assert {(sent["value"], sent["key"], sent["timestamp_ms"]) for sent in producer.sent} == {
        (b"half a frame", b"top-1", 1_700_000_000_123)
    }
    assert resender.summary() == {"sent": 2, "would_send": 0, "refused": 0, "replayed_before": 0, "repeats": 1}


def test_other_topic_chooses_the_partition_by_key() -> None:
    producer = FakeProducer()
    RejectReplayer(producer, "frames.test", replays_max=1).send(rejected(record()))
    assert producer.sent[0]["partition"] is None


@pytest.mark.parametrize(
    ("reject", "why"),
    [
        (rejected(record(), kept=5), "only 5 of its 12 bytes were kept"),
        (rejected(record(value=None)), "it is empty"),
        (rejected(record(headers=[("a", b"b")] * 100)), "its key or headers were too large"),
        (rejected(record(key=b"k" * 2000)), "its key or headers were too large"),
    ],
)
def test_reports_and_skips_incomplete_frames(
    reject: StoredReject, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    producer = FakeProducer()
    resender = RejectReplayer(producer, "frames", replays_max=1)
    replay_rejects([reject], resender, ManualClock(), limit=0, rate=0)
    assert (producer.sent, resender.summary()["refused"]) == ([], 1)
    assert f"not sending {reject.id}: {why}" in capsys.readouterr().err


def test_skips_a_frame_that_is_too_large_but_stops_if_the_broker_is_lost() -> None:
    resender = RejectReplayer(FakeProducer(MessageSizeTooLargeError("too large")), "frames", replays_max=1)
    replay_rejects([rejected(record())], resender, ManualClock(), limit=0, rate=0)
    assert (resender.summary()["sent"], resender.summary()["refused"]) == (0, 1)
    lost = RejectReplayer(FakeProducer(KafkaTimeoutError("gone")), "frames", replays_max=1)
    with pytest.raises(BrokerUnavailableError, match="after 0 frames"):
        replay_rejects([rejected(record())], lost, ManualClock(), limit=0, rate=0)


def test_limit_rate_and_a_dry_run() -> None:
    clock, resender = ManualClock(), RejectReplayer(None, "frames", replays_max=1)
    replay_rejects((rejected(record(number)) for number in range(10)), resender, clock, limit=3, rate=2)
    assert clock.slept_s == [0.5, 0.5]
    assert (resender.summary()["sent"], resender.summary()["would_send"]) == (0, 3)


def test_filters() -> None:
    reject = rejected(record())
    assert Filter(frozenset(), None, 5_000).lets_through(reject)
    assert Filter(frozenset(["truncated"]), "top-1", 0).lets_through(reject)
    assert not Filter(frozenset(["empty"]), None, 0).lets_through(reject)
    assert not Filter(frozenset(), "top-2", 0).lets_through(reject)
    assert not Filter(frozenset(), None, 5_001).lets_through(reject)


def test_since_is_an_age_or_a_time() -> None:
    assert parse_since("2h", now_s=10_000) == 2_800_000
    assert parse_since("1970-01-01T01:00:10+01:00", now_s=0) == 10_000
    for wrong in ("yesterday", "2026-11-23T02:00:00", "-2h", ""):
        with pytest.raises(SettingsError, match="--since must be an age such as 90m"):
            parse_since(wrong, now_s=0)
