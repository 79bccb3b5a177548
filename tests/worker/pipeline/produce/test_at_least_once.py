"""At-least-once delivery with a fake producer; tests/e2e runs it on real brokers."""

import threading
from collections.abc import Callable

import pytest
from kafka.errors import (
    InvalidTimestampError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumberError,
    TopicAuthorizationFailedError,
)
from prometheus_client import CollectorRegistry

from stripwatch.worker.broker.workarounds.producer.bystanders import BystanderError
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.sections import Topics
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.produce.at_least_once import AtLeastOnce
from stripwatch.worker.pipeline.produce.producer_recovery import ProducerRecovery
from stripwatch.worker.pipeline.produce.record_builder import RecordBuilder
from tests.fake_producer import FakeProducer
from tests.frames import make_frame
from tests.waiting import wait_until
from tests.worker.pipeline.produce.settled_frames import SettledFrames
from tests.worker.pipeline.samples import reject, result


class Delivery:
    """The publisher, a tracker to which the frames' partition is assigned, and the outcome of each frame."""

    def __init__(self, *producers: FakeProducer, limiter: InFlightLimiter | None = None) -> None:
        self.producers = list(producers)
        self.tracker = OffsetTracker()
        self.failed: list[BaseException] = []
        records = RecordBuilder(Topics(), reject_bytes_max=1000)
        left = iter(producers)
        recovery = ProducerRecovery(lambda: next(left), records, Metrics(CollectorRegistry()), give_up_s=60)
        self.publisher = AtLeastOnce(records, self.tracker, recovery, self.failed.append, limiter)
        self.ends = SettledFrames(self.publisher, self.tracker)

    def read(self, *frames: Frame) -> None:
        """Assign the partition and register its frames, as the consumer does at the start and after a fault."""
        self.tracker.assign([Partition(frames[0].position.topic, frames[0].position.partition)])
        assert all(self.tracker.register(frame.position) for frame in frames)

    def publish(self, frame: Frame, defect: bool = False, bad: bool = False) -> None:
        self.publisher.publish(self.ends.outgoing(reject(frame) if bad else result(frame, defect), frame))

    def acknowledge(self, producer: FakeProducer) -> None:
        producer.flush(0)


def test_a_frame_with_a_defect_settles_after_both_acknowledgements() -> None:
    delivery, frame = Delivery(producer := FakeProducer()), make_frame(0)
    delivery.read(frame)
    delivery.publish(frame, defect=True)
    producer.sent[1][3].success(None)
    assert delivery.ends.settled == []
    producer.sent[0][3].success(None)
    assert delivery.ends.settled == [0]


def test_waiting_s_is_the_age_of_the_oldest_unacknowledged_frame() -> None:
    delivery, frames = Delivery(producer := FakeProducer()), [make_frame(0), make_frame(1)]
    assert delivery.publisher.waiting_s == 0.0
    delivery.read(*frames)
    for frame in frames:
        delivery.publish(frame)
    wait_until(lambda: delivery.publisher.waiting_s > 0.05)
    producer.sent[0][3].success(None)
    first_s = delivery.publisher.waiting_s
    assert first_s > 0
    producer.sent[1][3].failure(KafkaError("gone"))
    assert delivery.publisher.waiting_s == 0.0


def test_failed_frames_are_dropped_once_and_read_again_with_a_new_producer() -> None:
    delivery = Delivery(old := FakeProducer(), new := FakeProducer())
    frames = [make_frame(offset) for offset in range(3)]
    delivery.read(*frames)
    for frame in frames[:2]:
        delivery.publish(frame, defect=True)
    for *_, future in old.sent:
        future.failure(OutOfOrderSequenceNumberError())
    # from before the fault: it must not be published, because nothing before it was settled
    delivery.publish(frames[2])
    assert (delivery.ends.settled, delivery.ends.dropped) == ([], [0, 1, 2])
    wait_until(lambda: not delivery.tracker.suspended)
    assert old.closed
    delivery.read(*frames)
    for frame in frames:
        delivery.publish(frame)
    delivery.acknowledge(new)
    assert delivery.ends.settled == [0, 1, 2]


def test_a_reject_above_the_limit_is_sent_again_with_less_of_its_frame() -> None:
    delivery = Delivery(old := FakeProducer(), new := FakeProducer())
    frame = make_frame(0, b"x" * 500)
    delivery.read(frame)
    delivery.publish(frame, bad=True)
    old.sent[0][3].failure(MessageSizeTooLargeError())
    wait_until(lambda: not delivery.tracker.suspended)
    delivery.read(frame)
    delivery.publish(frame, bad=True)
    ((_, body, headers, _),) = new.sent
    assert 200 < len(body) <= 250
    assert headers["stripwatch_bytes_kept"] == b"%d" % len(body)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (KafkaTimeoutError("60000 ms has passed"), "topic 'inspection.results' refused a record before the timeout"),
        (
            TopicAuthorizationFailedError({"inspection.results"}),
            r"do not allow access to the topic 'inspection.results'",
        ),
        (
            MessageSizeTooLargeError(),
            r"a record of \d+ bytes exceeds the limit of topic 'inspection.results'.*max.message.bytes",
        ),
    ],
)
def test_errors_that_no_new_producer_can_fix_end_the_worker(error: KafkaError, sentence: str) -> None:
    delivery, frame = Delivery(producer := FakeProducer()), make_frame(0)
    delivery.read(frame)
    delivery.publish(frame)
    producer.sent[0][3].failure(error)
    wait_until(lambda: bool(delivery.failed))
    with pytest.raises(BrokerUnavailableError, match=sentence):
        raise delivery.failed[0]


def test_a_frame_that_fails_repeatedly_ends_the_worker() -> None:
    delivery = Delivery(*(producers := [FakeProducer() for _ in range(3)]))
    frames = [make_frame(offset) for offset in range(2)]
    for number, producer in enumerate(producers):
        delivery.read(*frames)
        delivery.publish(frames[0])
        producer.sent[0][3].failure(KafkaError("no"))
        if number < 2:
            wait_until(lambda: not delivery.tracker.suspended)
    wait_until(lambda: bool(delivery.failed))
    assert "3 times" in str(delivery.failed[0])


def test_a_record_that_failed_because_of_another_is_not_blamed() -> None:
    """The third failure of a frame in a row ends the worker, but this frame never failed through its own fault."""
    delivery = Delivery(*(producers := [FakeProducer() for _ in range(5)]))
    frame = make_frame(0)
    for producer in producers[:4]:
        delivery.read(frame)
        delivery.publish(frame)
        producer.sent[0][3].failure(BystanderError(KafkaError("another one")))
        wait_until(lambda: not delivery.tracker.suspended)
    assert delivery.failed == []


def test_a_refused_timestamp_is_replaced_by_that_of_the_frame() -> None:
    delivery = Delivery(old := FakeProducer(), new := FakeProducer())
    frame = make_frame(0, timestamp_ms=77)
    delivery.read(frame)
    delivery.publish(frame)
    assert old.times_ms[0] > frame.timestamp_ms
    old.sent[0][3].failure(InvalidTimestampError("out of range"))
    wait_until(lambda: not delivery.tracker.suspended)
    delivery.read(frame)
    delivery.publish(frame)
    assert new.times_ms == [77]


def test_replaces_a_producer_that_refuses_immediately() -> None:
    delivery, frame = Delivery(FakeProducer(refuses=KafkaError("broken")), FakeProducer()), make_frame(0)
    delivery.read(frame)
    delivery.publish(frame, defect=True)
    assert delivery.ends.dropped == [0]
    wait_until(lambda: not delivery.tracker.suspended)


def test_acknowledgements_from_two_threads_settle_a_frame_once() -> None:
    delivery, frame = Delivery(producer := FakeProducer()), make_frame(0)
    delivery.read(frame)
    delivery.publish(frame, defect=True)
    acknowledge: Callable[[int], None] = lambda n: producer.sent[n][3].success(None)  # noqa: E731
    threads = [threading.Thread(target=acknowledge, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert delivery.ends.settled == [0]


def test_the_producer_lingers_as_the_limiter_says() -> None:
    limiter = InFlightLimiter(100, 10**9)
    delivery = Delivery(old := FakeProducer(), new := FakeProducer(), limiter=limiter)
    frames, lingers_ms = [make_frame(n) for n in range(3)], []
    delivery.read(*frames)
    for frame, frames_inside in zip(frames, (1, 4, 20), strict=True):
        while limiter.frames < frames_inside:
            limiter.acquire(0)
        delivery.publish(frame)
        lingers_ms.append(old.linger_ms)
    assert lingers_ms == [0, 6, 15]
    old.sent[0][3].failure(OutOfOrderSequenceNumberError())
    wait_until(lambda: not delivery.tracker.suspended)
    delivery.read(frames[0])
    delivery.publish(frames[0])
    assert new.linger_ms == 15.0  # the new producer gets the linger time as well


def test_an_unexpected_error_during_recovery_ends_the_worker() -> None:
    delivery, frame = (
        Delivery(producer := FakeProducer()),
        make_frame(0),
    )  # asking for a second producer raises StopIteration
    delivery.read(frame)
    delivery.publish(frame)
    producer.sent[0][3].failure(OutOfOrderSequenceNumberError())
    wait_until(lambda: bool(delivery.failed))
    assert isinstance(delivery.failed[0], StopIteration)
