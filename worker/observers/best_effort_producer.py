"""A producer for records that may be lost. Its failures do not affect the results."""

import time
from collections.abc import Callable

import structlog
from kafka import KafkaProducer
from kafka.errors import InvalidTimestampError, KafkaError, MessageSizeTooLargeError

from stripwatch.worker.broker.producers import open_producer, producer_config
from stripwatch.worker.broker.topic_limits import TopicLimits
from stripwatch.worker.broker.workarounds.producer.bystanders import BystanderError
from stripwatch.worker.broker.workarounds.producer.discarded_producers import force_close, send_or_fail
from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.pipeline.produce.producer_recovery import TOO_LARGE
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord
from stripwatch.worker.pipeline.produce.record_clock import RecordClock

log = structlog.get_logger()
_SEND_S_MAX = 5.0
# the next record may succeed, because it may be smaller or carry another timestamp
_RECORD_ERRORS = (*TOO_LARGE, InvalidTimestampError)
_PAUSE_S = 30.0  # pause after a failure, because otherwise each record would wait for an unavailable broker


class BestEffortProducer:
    """Opens its producer with the first record, and replaces it after a failure, since most failures are permanent.

    open_producer: called again some time after a failure. sent, failed: called for each record, from any thread.
    limits: size limits of the topics; a larger record is not sent.
    """

    def __init__(
        self,
        open_producer: Callable[[], KafkaProducer],
        failed: Callable[[], None],
        sent: Callable[[], None] = lambda: None,
        limits: TopicLimits | None = None,
    ) -> None:
        self._open_producer = open_producer
        self._failed = failed
        self._sent = sent
        self._limits = limits or TopicLimits()
        self._clock = RecordClock()
        self._producer: KafkaProducer | None = None
        self._refused: tuple[KafkaProducer, OutgoingRecord, BaseException] | None = None
        self._circuit_closes_s = 0.0

    @property
    def circuit_open(self) -> bool:
        """True for a while after a failure, during which no record is accepted."""
        return time.monotonic() < self._circuit_closes_s

    def body_bytes_max(self, record: OutgoingRecord) -> int | None:
        """Return how large the body of this record, which must be empty, may be; None if the limit is unknown."""
        bytes_max = self._limits.bytes_max(record.topic)
        return None if bytes_max is None else max(0, record.body_bytes_max(bytes_max))

    def send(self, record: OutgoingRecord) -> None:
        """Send a record.

        Only one thread may call it. A record that fails is counted, and the first one in a while is logged.
        """
        if self.circuit_open:
            self._failed()
            return
        try:
            producer = self._usable_producer()
            self._require_size(record)
            stamp_ms = self._clock.stamp_ms(record.frame_ms)
            future = send_or_fail(
                producer, record.topic, record.body, key=record.key, headers=record.headers, timestamp_ms=stamp_ms
            )
        except (KafkaError, StripwatchError) as error:
            self._undelivered(record, error)
        else:
            future.add_callback(lambda _: self._sent())
            future.add_errback(lambda error: self._undelivered(record, error, producer=producer))

    def _usable_producer(self) -> KafkaProducer:
        """Return a producer that has not failed. Raises StripwatchError."""
        if self._refused:
            producer, record, error = self._refused
            self._refused = self._producer = None
            force_close(producer)
            if isinstance(error, TOO_LARGE):
                self._learn_size(record)
            elif isinstance(error, InvalidTimestampError):
                self._clock.refuse(record.topic, record.frame_ms, error)
        if self._producer is None:
            self._producer = self._open_producer()
        return self._producer

    def _learn_size(self, refused: OutgoingRecord) -> None:
        self._limits.refresh()
        bytes_max = self._limits.bytes_max(refused.topic)
        if bytes_max is None or refused.size_bytes <= bytes_max:
            self._limits.learn(refused.topic, refused.size_bytes, len(refused.body))

    def _require_size(self, record: OutgoingRecord) -> None:
        """Raise MessageSizeTooLargeError for a record that Kafka would refuse, because a refusal costs the producer."""
        bytes_max = self._limits.bytes_max(record.topic)
        if bytes_max is not None and record.size_bytes > bytes_max:
            raise MessageSizeTooLargeError(
                f"a record of {record.size_bytes} bytes exceeds the topic's max.message.bytes, {bytes_max}"
            )

    def close(self, timeout_s: float) -> None:
        """Wait for the acknowledgements until the time is up, and count the rest as failed."""
        if self._producer is not None:
            try:
                self._producer.flush(timeout=timeout_s)
            except KafkaError as error:
                log.warning("not all background records were delivered before the stop", error=str(error))
            force_close(self._producer)

    def _undelivered(
        self,
        record: OutgoingRecord,
        error: BaseException,
        producer: KafkaProducer | None = None,
    ) -> None:
        """Count and log a record that was not delivered. producer: the producer that failed with it."""
        self._failed()
        if isinstance(error, BystanderError):
            error = error.cause
            if isinstance(error, _RECORD_ERRORS) or producer is not self._producer or self._refused:
                return  # the log already names the refused record
        if producer is not None and producer is self._producer:
            self._refused = self._refused or (producer, record, error)
        pause_s = 0.0 if isinstance(error, _RECORD_ERRORS) else _PAUSE_S
        if not self.circuit_open:
            log.warning("cannot publish background records", topic=record.topic, pause_s=pause_s, error=str(error))
        self._circuit_closes_s = max(self._circuit_closes_s, time.monotonic() + pause_s)


def open_best_effort_producer(settings: Settings, limits: TopicLimits | None = None) -> KafkaProducer:
    """Open a producer outside transactions and with a short timeout. Raises BrokerUnavailableError."""
    bytes_max = max(settings.rejects.bytes_max, settings.frames.bytes_max)  # large enough for a whole frame
    return open_producer(producer_config(settings, limits, bytes_max, _SEND_S_MAX))
