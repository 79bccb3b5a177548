"""Exactly-once delivery with a fake producer; tests/e2e/test_exactly_once.py runs it on Apache Kafka."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kafka.errors import (
    CommitFailedError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerFencedError,
)
from kafka.structs import ConsumerGroupMetadata, MemberState, TopicPartition
from prometheus_client import CollectorRegistry

from stripwatch.worker.broker.workarounds.producer.bystanders import BystanderError
from stripwatch.worker.common.errors import BrokerUnavailableError, FencedError
from stripwatch.worker.config.sections import Topics
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.produce import exactly_once
from stripwatch.worker.pipeline.produce.exactly_once import ExactlyOnce, TransactionLimits
from stripwatch.worker.pipeline.produce.producer_recovery import ProducerRecovery
from stripwatch.worker.pipeline.produce.record_builder import RecordBuilder
from tests.fake_producer import FakeProducer
from tests.frames import make_frame
from tests.waiting import wait_until
from tests.worker.pipeline.produce.settled_frames import SettledFrames
from tests.worker.pipeline.samples import reject, result

LONG_S = 60.0
MEMBER = ConsumerGroupMetadata("g", 7, "member", None, MemberState.STABLE)
FRAMES = [make_frame(offset) for offset in range(4)]
PARTITION = Partition(FRAMES[0].position.topic, FRAMES[0].position.partition)


class Delivery:
    """The publisher, a tracker to which the frames' partition is assigned, and the outcome of each frame."""

    def __init__(self, *producers: FakeProducer, timeout_s: float = LONG_S, frames_max: int = 100) -> None:
        self.tracker = OffsetTracker()
        self.group = MEMBER
        self.failed: list[BaseException] = []
        records = RecordBuilder(Topics(), reject_bytes_max=1000)
        left = iter(producers)
        metrics = Metrics(CollectorRegistry())
        self.publisher = ExactlyOnce(
            records,
            self.tracker,
            ProducerRecovery(lambda: next(left), records, metrics, give_up_s=60),
            lambda: self.group,
            TransactionLimits(LONG_S, frames_max, timeout_s, LONG_S),
            metrics,
            self.failed.append,
        )
        self.ends = SettledFrames(self.publisher, self.tracker)
        self.read()

    def read(self) -> None:
        """Assign the partition and register its frames, as the consumer does at the start and after a fault."""
        self.tracker.assign([PARTITION])
        assert all(self.tracker.register(frame.position) for frame in FRAMES)

    def publish(self, *frames: Frame) -> None:
        for frame in frames:
            self.publisher.publish(self.ends.outgoing(result(frame, True), frame))


def test_frames_settle_when_results_and_offsets_are_committed_together() -> None:
    delivery = Delivery(producer := FakeProducer())
    delivery.publish(*FRAMES[:2])
    wait_until(lambda: len(producer.sent) == 4)
    assert delivery.ends.settled == []
    delivery.publisher.flush(LONG_S)
    assert delivery.ends.settled == [0, 1]
    (offsets,) = producer.committed
    assert {partition: at.offset for partition, at in offsets.items()} == {TopicPartition(*PARTITION): 2}


def test_a_transaction_with_enough_frames_is_committed_at_once() -> None:
    delivery = Delivery(producer := FakeProducer(), frames_max=2)
    delivery.publish(*FRAMES)
    wait_until(lambda: delivery.ends.settled == [0, 1, 2, 3])
    assert len(producer.committed) == 2


@contextmanager
def started_over(delivery: Delivery, old: FakeProducer, new: FakeProducer) -> Iterator[None]:
    """Check that whatever the block does to a transaction of two frames, nothing is committed, and both frames are read
    again.
    """
    delivery.publish(*FRAMES[:2])
    wait_until(lambda: len(old.sent) == 4)
    yield
    delivery.publisher.flush(LONG_S)
    assert (old.committed, delivery.ends.settled, delivery.ends.dropped) == ([], [], [0, 1])
    assert old.closed
    delivery.group = MEMBER
    delivery.publish(FRAMES[2])  # from before the fault, so it is not the next frame any more
    delivery.publisher.flush(LONG_S)
    assert delivery.ends.dropped == [0, 1, 2]
    delivery.read()
    delivery.publish(*FRAMES)
    delivery.publisher.flush(LONG_S)
    assert delivery.ends.settled == [0, 1, 2, 3]
    assert len(new.committed) == 1


def test_a_failed_record_aborts_the_transaction_although_the_client_would_commit() -> None:
    delivery = Delivery(old := FakeProducer(), new := FakeProducer())
    with started_over(delivery, old, new):
        old.sent[2][3].failure(CommitFailedError())


def test_does_not_commit_offsets_of_revoked_partitions() -> None:
    delivery = Delivery(old := FakeProducer(), new := FakeProducer())
    with started_over(delivery, old, new):
        delivery.tracker.forget([PARTITION])


def test_does_not_commit_offsets_of_reassigned_partitions() -> None:
    delivery = Delivery(old := FakeProducer(), new := FakeProducer())
    with started_over(delivery, old, new):
        delivery.tracker.forget([PARTITION])
        delivery.tracker.assign([PARTITION])


def test_a_transaction_with_revoked_partitions_does_not_wait_for_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers of committed records would wait for it, whichever producer wrote the records behind it."""
    monkeypatch.setattr(exactly_once, "_STABLE_S_MAX", 10 * LONG_S)
    delivery = Delivery(old := FakeProducer(), new := FakeProducer())
    with started_over(delivery, old, new):
        delivery.tracker.forget([PARTITION])
        delivery.group = MEMBER._replace(state=MemberState.REBALANCING)


def test_a_worker_outside_its_group_commits_nothing() -> None:
    """The broker would accept a member without a generation unchecked."""
    delivery = Delivery(old := FakeProducer(), new := FakeProducer())
    with started_over(delivery, old, new):
        delivery.group = ConsumerGroupMetadata("g")


def test_a_refused_commit_starts_over() -> None:
    delivery = Delivery(old := FakeProducer(commit_raises=CommitFailedError()), new := FakeProducer())
    with started_over(delivery, old, new):
        pass


def test_blames_the_refused_record_and_not_a_later_one() -> None:
    """A reject is too large. kafka-python then refuses every record with an error that does not give the reason."""
    delivery = Delivery(old := FakeProducer(), new := FakeProducer())
    large = make_frame(0, b"x" * 900)
    delivery.publisher.publish(delivery.ends.outgoing(reject(large), large))
    wait_until(lambda: len(old.sent) == 1)
    old.refuses, old.broken_by = KafkaError("in an error state"), MessageSizeTooLargeError()
    delivery.publish(FRAMES[1])
    wait_until(lambda: delivery.ends.dropped == [0, 1])
    assert delivery.tracker.suspended  # only now the sender thread reports which record it was
    old.sent[0][3].failure(MessageSizeTooLargeError())
    wait_until(lambda: not delivery.tracker.suspended)
    assert delivery.failed == []
    delivery.read()
    delivery.publisher.publish(delivery.ends.outgoing(reject(large), large))
    delivery.publish(*FRAMES[1:])
    delivery.publisher.flush(LONG_S)
    assert delivery.ends.settled == [0, 1, 2, 3]
    assert len(new.sent[0][1]) < 500


def test_a_result_above_the_limit_ends_the_worker_and_names_its_size() -> None:
    delivery = Delivery(old := FakeProducer(acknowledges=False))
    delivery.publish(*FRAMES[:2])
    wait_until(lambda: len(old.sent) == 4)
    for number, (*_, future) in enumerate(old.sent):
        future.failure(MessageSizeTooLargeError() if number == 2 else BystanderError(MessageSizeTooLargeError()))
    with pytest.raises(BrokerUnavailableError):
        delivery.publisher.flush(LONG_S)
    with pytest.raises(BrokerUnavailableError, match=r"\d+ bytes exceeds the limit of topic 'inspection.results'"):
        raise delivery.failed[0]


def test_a_second_worker_with_the_same_instance_id_ends_this_one() -> None:
    delivery = Delivery(FakeProducer(commit_raises=ProducerFencedError()))
    delivery.publish(FRAMES[0])
    with pytest.raises(BrokerUnavailableError):
        delivery.publisher.flush(LONG_S)
    with pytest.raises(FencedError, match="instance_id"):
        raise delivery.failed[0]
    assert delivery.ends.settled == []


def test_a_worker_that_was_away_for_longer_than_its_transaction_continues() -> None:
    delivery = Delivery(old := FakeProducer(commit_raises=ProducerFencedError()), new := FakeProducer(), timeout_s=0.0)
    with started_over(delivery, old, new):
        pass


def test_a_broker_that_acknowledges_nothing_in_time_ends_the_worker() -> None:
    delivery = Delivery(FakeProducer(commit_raises=KafkaTimeoutError("late")))
    delivery.publish(FRAMES[0])
    with pytest.raises(BrokerUnavailableError):
        delivery.publisher.flush(LONG_S)
    with pytest.raises(BrokerUnavailableError, match=r"did not end a transaction before the timeout: .*late"):
        raise delivery.failed[0]
