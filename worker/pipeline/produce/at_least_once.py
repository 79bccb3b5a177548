"""At-least-once delivery: a frame is settled when the broker has acknowledged all its records."""

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
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.inspect.publish_stage import OutgoingFrame
from stripwatch.worker.pipeline.produce.producer_recovery import DeliveryError, ProducerRecovery
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord, RecordBuilder


class AtLeastOnce:
    """Sends the records of each frame at once with an idempotent producer. The consumer commits the offset later.

    failed: called when nothing can be delivered. limiter: its `linger_s` says how long a result may wait for others.
    """

    def __init__(
        self,
        records: RecordBuilder,
        tracker: OffsetTracker,
        recovery: ProducerRecovery,
        failed: Callable[[BaseException], None],
        limiter: InFlightLimiter | None = None,
    ) -> None:
        self._limiter = limiter
        self._linger_ms: float = LINGER_MS
        self._records = records
        self._tracker = tracker
        self._recovery = recovery
        self._failed = failed
        self._lock = threading.Lock()
        # Unacknowledged frames with the time at which each was sent, oldest first
        self._open: dict[_Sending, float] = {}
        self._producer: KafkaProducer = recovery.open()

    @property
    def waiting_s(self) -> float:
        """Seconds for which the oldest frame has not been acknowledged. kafka-python fails it after send_s_max."""
        with self._lock:
            since_s = next(iter(self._open.values()), None)
        return 0.0 if since_s is None else time.monotonic() - since_s

    def publish(self, outgoing: OutgoingFrame) -> None:
        if self._tracker.claim(outgoing.frame.position) is None:
            outgoing.drop()
            return
        producer, records = self._producer, self._records.build(outgoing.event, outgoing.frame)
        self._set_linger(producer)
        sending = _Sending(self, producer, outgoing, len(records))
        with self._lock:
            self._open[sending] = time.monotonic()
        for record in records:
            sending.send(record, self._recovery.clock.stamp_ms(record.frame_ms))

    def acknowledged(self, sending: "_Sending") -> None:
        """Settle a frame whose records were all acknowledged. May be called from any thread."""
        self._forget(sending)
        self._recovery.delivered()
        sending.outgoing.settle()

    def _forget(self, sending: "_Sending") -> None:
        with self._lock:
            self._open.pop(sending, None)

    def _set_linger(self, producer: KafkaProducer) -> None:
        linger_ms = LINGER_MS if self._limiter is None else 1000 * self._limiter.linger_s
        if linger_ms != self._linger_ms:
            set_linger(producer, linger_ms)
            self._linger_ms = linger_ms

    def flush(self, timeout_s: float) -> None:
        """Wait for all acknowledgements. Raises BrokerUnavailableError."""
        try:
            self._producer.flush(timeout=timeout_s)
        except KafkaError as error:
            raise BrokerUnavailableError(
                f"the broker did not acknowledge all results within {timeout_s:.0f} s: {error}"
            ) from error

    def close(self) -> None:
        force_close(self._producer)

    def refused(self, sending: "_Sending", failure: DeliveryError) -> None:
        """Drop a frame that could not be delivered. The first failure of a producer starts its replacement.

        Called on the producer's own thread, which must not block.
        """
        self._forget(sending)
        with self._lock:
            first = sending.producer is self._producer and not self._tracker.suspended
            if first:
                self._tracker.suspend()
        sending.outgoing.drop()
        if first:
            OwnedThread(lambda: self._recover(failure), "producer-recovery", self._failed).start()

    def _recover(self, failure: DeliveryError) -> None:
        producer = self._recovery.recover(self._producer, failure)
        with self._lock:
            self._producer, self._linger_ms = producer, LINGER_MS
            self._tracker.resume()


class _Sending:
    """The records of one frame. Acknowledgements from two topics may arrive on two threads."""

    def __init__(self, publisher: AtLeastOnce, producer: KafkaProducer, outgoing: OutgoingFrame, count: int) -> None:
        self.producer = producer
        self.outgoing = outgoing
        self._publisher = publisher
        self._left = count
        self._lock = threading.Lock()

    def send(self, record: OutgoingRecord, timestamp_ms: int) -> None:
        try:
            future = send_or_fail(
                self.producer,
                record.topic,
                record.body,
                key=record.key,
                headers=record.headers,
                timestamp_ms=timestamp_ms,
            )
        except KafkaError as error:
            self._refuse(record, error)
            return
        future.add_callback(self._acknowledge)
        future.add_errback(self._refuse, record)

    def _acknowledge(self, _: object) -> None:
        with self._lock:
            self._left -= 1
            done = self._left == 0
        if done:
            self._publisher.acknowledged(self)

    def _refuse(self, record: OutgoingRecord, error: BaseException) -> None:
        with self._lock:
            first, self._left = self._left >= 0, -1
        if first:
            self._publisher.refused(self, DeliveryError(error, record, self.outgoing.frame.position))
