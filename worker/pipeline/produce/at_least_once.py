"""Delivery at least once: a frame is settled when the broker has acknowledged every record that it became."""

import itertools
import threading
import time
from collections.abc import Callable

from kafka import KafkaProducer
from kafka.errors import KafkaError

from stripwatch.worker.broker.producers import LINGER_MS
from stripwatch.worker.broker.workarounds.producer.discarded_producers import force_close, send_or_fail
from stripwatch.worker.broker.workarounds.producer.fixed_linger import set_linger
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.common.process.threads import OwnedThread
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.produce.producer_recovery import DeliveryError, ProducerRecovery
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord, RecordBuilder


class AtLeastOnce:
    """Sends each frame's records at once, by an idempotent producer; its offset is committed later, by the consumer.

    dropped: called, from any thread, for a frame that will be read again. failed: called when nothing can be delivered.
    linger_ms: how long a result that goes out now may wait for others.
    """

    def __init__(
        self,
        records: RecordBuilder,
        tracker: OffsetTracker,
        recovery: ProducerRecovery,
        dropped: Callable[[Frame], None],
        failed: Callable[[BaseException], None],
        linger_ms: Callable[[], float] = lambda: LINGER_MS,
    ) -> None:
        self._wanted_linger_ms = linger_ms
        self._linger_ms: float = LINGER_MS
        self._records = records
        self._tracker = tracker
        self._recovery = recovery
        self._dropped = dropped
        self._failed = failed
        self._lock = threading.Lock()
        self._open: dict[int, float] = {}  # since when each frame without an acknowledgement waits; the oldest first
        self._numbers = itertools.count()
        self._producer: KafkaProducer = recovery.open()

    @property
    def waiting_s(self) -> float:
        """How long Kafka has not acknowledged the oldest frame for; past send_s_max it fails by itself."""
        with self._lock:
            since_s = next(iter(self._open.values()), None)
        return 0.0 if since_s is None else time.monotonic() - since_s

    def publish(self, event: Result | Reject, frame: Frame, settle: Callable[[], None]) -> None:
        if self._tracker.claim(frame.position) is None:
            self._dropped(frame)
            return
        producer, records, number = self._producer, self._records.build(event, frame), next(self._numbers)

        def settled() -> None:
            self._forget(number)
            self._recovery.delivered()
            settle()

        def refused(failure: DeliveryError) -> None:
            self._forget(number)
            self._refused(producer, frame, failure)

        self._set_linger(producer)
        sending = _Sending(len(records), settled, refused)
        with self._lock:
            self._open[number] = time.monotonic()
        for record in records:
            sending.send(producer, record, self._recovery.clock.stamp_ms(record.frame_ms), frame)

    def _forget(self, number: int) -> None:
        with self._lock:
            self._open.pop(number, None)

    def _set_linger(self, producer: KafkaProducer) -> None:
        linger_ms = self._wanted_linger_ms()
        if linger_ms != self._linger_ms:
            set_linger(producer, linger_ms)
            self._linger_ms = linger_ms

    def flush(self, timeout_s: float) -> None:
        """Raises BrokerUnavailableError."""
        try:
            self._producer.flush(timeout=timeout_s)
        except KafkaError as error:
            raise BrokerUnavailableError(
                f"the broker did not acknowledge all results within {timeout_s:.0f} s: {error}"
            ) from error

    def close(self) -> None:
        force_close(self._producer)

    def _refused(self, producer: KafkaProducer, frame: Frame, failure: DeliveryError) -> None:
        """The first failure of a producer ends it. It comes on the producer's own thread, which cannot wait."""
        with self._lock:
            first = producer is self._producer and not self._tracker.suspended
            if first:
                self._tracker.suspend()
        self._dropped(frame)
        if first:
            OwnedThread(lambda: self._recover(failure), "producer-recovery", self._failed).start()

    def _recover(self, failure: DeliveryError) -> None:
        producer = self._recovery.recover(self._producer, failure)
        with self._lock:
            self._producer, self._linger_ms = producer, LINGER_MS
            self._tracker.resume()


class _Sending:
    """The records of one frame. Acknowledgements of two topics may come from two threads."""

    def __init__(self, count: int, settle: Callable[[], None], refused: Callable[[DeliveryError], None]) -> None:
        self._left = count
        self._settle = settle
        self._refused = refused
        self._lock = threading.Lock()

    def send(self, producer: KafkaProducer, record: OutgoingRecord, timestamp_ms: int, frame: Frame) -> None:
        def refuse(error: BaseException) -> None:
            with self._lock:
                first, self._left = self._left >= 0, -1
            if first:
                self._refused(DeliveryError(error, record, frame.position))

        try:
            future = send_or_fail(
                producer,
                record.topic,
                record.body,
                key=record.key,
                headers=record.headers,
                timestamp_ms=timestamp_ms,
            )
        except KafkaError as error:
            refuse(error)
            return
        future.add_callback(self._acknowledge)
        future.add_errback(refuse)

    def _acknowledge(self, _: object) -> None:
        with self._lock:
            self._left -= 1
            done = self._left == 0
        if done:
            self._settle()
