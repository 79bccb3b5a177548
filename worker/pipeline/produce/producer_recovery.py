"""Replaces a failed producer.

kafka-python's producer does not recover from every error: after some of them, every later record fails as well. All
failures are therefore handled alike: the frames in flight are forgotten, a new producer is opened, and reading
continues at the committed offsets.
"""

import time
from collections.abc import Callable

import structlog
from kafka import KafkaProducer
from kafka.errors import (
    AuthorizationError,
    CommitFailedError,
    IllegalGenerationError,
    InvalidProducerEpochError,
    InvalidTimestampError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerFencedError,
    RebalanceInProgressError,
    RecordListTooLargeError,
    UnknownMemberIdError,
    UnknownTopicOrPartitionError,
)

from stripwatch.worker.broker.connection import authorization_message
from stripwatch.worker.broker.workarounds.producer.bystanders import BystanderError
from stripwatch.worker.broker.workarounds.producer.discarded_producers import force_close
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord, RecordBuilder
from stripwatch.worker.pipeline.produce.record_clock import RecordClock

log = structlog.get_logger()

_FAILURES_MAX = 3  # in a row, of the same frame
_PAUSE_S = (0.0, 0.2, 0.5, 1.0, 2.0)
TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
FENCED = (ProducerFencedError, InvalidProducerEpochError)
_REASONS: dict[str, tuple[type[BaseException], ...]] = {
    "too_large": TOO_LARGE,
    "timestamp": (InvalidTimestampError,),
    "timeout": (KafkaTimeoutError,),
    "authorization": (AuthorizationError,),
    "missing_topic": (UnknownTopicOrPartitionError,),
    "fenced": FENCED,
    "rebalance": (IllegalGenerationError, UnknownMemberIdError, RebalanceInProgressError, CommitFailedError),
}
_OTHER = "other"


class DeliveryError(Exception):
    """A record that Kafka refused, or a transaction that it did not commit.

    record and position are None if no single record is at fault. error is then the error of the producer as a whole.
    """

    def __init__(
        self, error: BaseException, record: OutgoingRecord | None = None, position: Position | None = None
    ) -> None:
        if isinstance(error, BystanderError):
            error, record, position = error.cause, None, None
        super().__init__(f"{type(error).__name__}: {error}")
        self.error = error
        self.record = record
        self.position = position

    @property
    def reason(self) -> str:
        """The value of the metric label `reason`: a key of _REASONS, or `other`."""
        return next((name for name, types in _REASONS.items() if isinstance(self.error, types)), _OTHER)


class ProducerRecovery:
    """Opens the first producer and its replacements. One thread at a time may call it.

    give_up_s: how long to retry while nothing can be delivered. clock: timestamps of records.
    """

    def __init__(
        self,
        open_producer: Callable[[], KafkaProducer],
        records: RecordBuilder,
        metrics: Metrics,
        give_up_s: float,
        clock: RecordClock | None = None,
    ) -> None:
        self.open = open_producer
        self._limits = records.limits
        self.clock = clock or RecordClock()
        self._metrics = metrics
        self._give_up_s = give_up_s
        self._failing_since_s: float | None = None
        self._tries = 0
        self._last: Position | None = None
        self._last_count = 0
        for reason in (*_REASONS, _OTHER):  # Prometheus sees no increase in a series that begins at 1
            metrics.producer_failures.labels(reason)

    def delivered(self) -> None:
        """Reset the retries, because a record was delivered."""
        self._failing_since_s = None
        self._tries = 0

    def recover(self, producer: KafkaProducer, failure: DeliveryError) -> KafkaProducer:
        """Return a new producer. Raises BrokerUnavailableError if that cannot help or has not helped for give_up_s."""
        self._metrics.producer_failures.labels(failure.reason).inc()
        self._classify(failure)
        self._metrics.producer_rebuilds.inc()
        log.warning("results cannot be delivered; replacing the producer", error=str(failure))
        force_close(producer)
        while True:
            self._pause(failure)
            try:
                return self.open()
            except BrokerUnavailableError as error:
                log.warning("cannot open a new producer; retrying", error=str(error))

    def _classify(self, failure: DeliveryError) -> None:
        """Adjust record sizes and timestamps to the failure.

        Raises BrokerUnavailableError if no new producer can help.
        """
        record, error = failure.record, failure.error
        where = f"topic {record.topic!r} refused a record" if record else "Kafka did not end a transaction"
        if isinstance(error, AuthorizationError):
            raise BrokerUnavailableError(authorization_message(error)) from error
        if isinstance(error, KafkaTimeoutError):
            raise BrokerUnavailableError(f"{where} before the timeout: {error}") from error
        if isinstance(error, TOO_LARGE) and record and self._learn_size(record):
            return
        if isinstance(error, InvalidTimestampError):
            self.clock.refuse(record.topic if record else "unknown", record.frame_ms if record else -1, error)
        self._last_count = self._last_count + 1 if failure.position and failure.position == self._last else 1
        self._last = failure.position
        if self._last_count >= _FAILURES_MAX:
            raise BrokerUnavailableError(f"{where} of the frame {failure.position} {_FAILURES_MAX} times: {failure}")

    def _learn_size(self, refused: OutgoingRecord) -> bool:
        """Return whether the next record of this frame will be smaller.

        Raises BrokerUnavailableError if it cannot be.
        """
        self._limits.refresh()
        size_bytes, topic = refused.size_bytes, refused.topic
        bytes_max = self._limits.bytes_max(topic)
        fits = bytes_max is None or size_bytes <= bytes_max
        if refused.frame_bytes:
            if fits:
                self._limits.learn(topic, size_bytes, refused.frame_bytes)
            return True
        if fits and bytes_max is not None:
            return False  # the limit was just raised, or another limit applies: retry a limited number of times
        limit = "a limit that this worker may not read" if bytes_max is None else f"{bytes_max} bytes"
        raise BrokerUnavailableError(
            f"a record of {size_bytes} bytes exceeds the limit of topic {topic!r}, {limit}: raise the topic's "
            "max.message.bytes"
        )

    def _pause(self, failure: DeliveryError) -> None:
        now_s = time.monotonic()
        if self._failing_since_s is None:
            self._failing_since_s = now_s
        elif now_s - self._failing_since_s > self._give_up_s:
            raise BrokerUnavailableError(
                f"nothing could be delivered for {self._give_up_s:g} s; first error: {failure}"
            )
        time.sleep(_PAUSE_S[min(self._tries, len(_PAUSE_S) - 1)])
        self._tries += 1
