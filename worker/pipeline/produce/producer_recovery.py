"""A new producer in place of one that failed.

kafka-python's producer does not recover from every error: after some, each later record fails as well. So one remedy
serves all: the frames in flight are forgotten, a new producer is opened, and reading goes back to what Kafka has
committed.
"""

import time
from collections.abc import Callable

import structlog
from kafka import KafkaProducer
from kafka.errors import (
    AuthorizationError,
    InvalidProducerEpochError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerFencedError,
    RecordListTooLargeError,
)

from stripwatch.worker.broker.connection import authorization_message
from stripwatch.worker.broker.producers import force_close
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord, RecordBuilder

log = structlog.get_logger()

_FAILURES_MAX = 3  # of one frame
_PAUSE_S = (0.0, 0.2, 0.5, 1.0, 2.0)
TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
FENCED = (ProducerFencedError, InvalidProducerEpochError)


class DeliveryError(Exception):
    """A record that Kafka did not take, or a transaction that it did not commit (record and position are None)."""

    def __init__(
        self, error: BaseException, record: OutgoingRecord | None = None, position: Position | None = None
    ) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.error = error
        self.record = record
        self.position = position


class ProducerRecovery:
    """Opens the first producer, and each that replaces one. One thread at a time calls.

    give_up_s: how long it is tried while nothing at all can be delivered.
    """

    def __init__(
        self, open_producer: Callable[[], KafkaProducer], records: RecordBuilder, metrics: Metrics, give_up_s: float
    ) -> None:
        self.open = open_producer
        self._records = records
        self._metrics = metrics
        self._give_up_s = give_up_s
        self._failing_since_s: float | None = None
        self._tries = 0
        self._last: Position | None = None
        self._last_count = 0

    def delivered(self) -> None:
        """Something went through: the patience starts anew."""
        self._failing_since_s = None
        self._tries = 0

    def recover(self, producer: KafkaProducer, failure: DeliveryError) -> KafkaProducer:
        """A new producer. Raises BrokerUnavailableError where that cannot help, or has not helped for too long."""
        self._classify(failure)
        self._metrics.producer_rebuilds.inc()
        log.warning("results cannot be delivered; starting over with a new producer", error=str(failure))
        force_close(producer)
        while True:
            self._pause(failure)
            try:
                return self.open()
            except BrokerUnavailableError as error:
                log.warning("no new producer yet", error=str(error))

    def _classify(self, failure: DeliveryError) -> None:
        where = f"{failure.record.topic} did not take a record" if failure.record else "Kafka did not end a transaction"
        if isinstance(failure.error, AuthorizationError):
            raise BrokerUnavailableError(authorization_message(failure.error)) from failure.error
        if isinstance(failure.error, KafkaTimeoutError):
            raise BrokerUnavailableError(f"{where} in time: {failure.error}") from failure.error
        if isinstance(failure.error, TOO_LARGE) and failure.record:
            if not failure.record.frame_bytes:
                raise BrokerUnavailableError(
                    f"{where} of {len(failure.record.body)} bytes: it is over the topic's max.message.bytes"
                ) from failure.error
            self._records.shorten_rejects(failure.record)
            return
        self._last_count = self._last_count + 1 if failure.position and failure.position == self._last else 1
        self._last = failure.position
        if self._last_count >= _FAILURES_MAX:
            raise BrokerUnavailableError(f"{where} of the frame {failure.position}, {_FAILURES_MAX} times: {failure}")

    def _pause(self, failure: DeliveryError) -> None:
        now_s = time.monotonic()
        if self._failing_since_s is None:
            self._failing_since_s = now_s
        elif now_s - self._failing_since_s > self._give_up_s:
            raise BrokerUnavailableError(
                f"nothing could be delivered for {self._give_up_s:g} s; the first error: {failure}"
            )
        time.sleep(_PAUSE_S[min(self._tries, len(_PAUSE_S) - 1)])
        self._tries += 1
