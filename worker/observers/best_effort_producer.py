"""A producer for records that may be lost: its faults do not reach the results."""

import time
from collections.abc import Callable
from typing import Any

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError

from stripwatch.worker.broker.producers import force_close, open_producer
from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.pipeline.produce.producer_recovery import TOO_LARGE
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord

log = structlog.get_logger()
_SEND_S_MAX = 5.0
_PAUSE_S = 30.0  # after a failure: without it each record would wait for a broker that is away


class BestEffortProducer:
    """The producer is made when there is something to send.

    open_producer: asked once. A producer that cannot be made leaves sockets behind (kafka-python 3.0.12), so there is
    no second try, and nothing is sent any more. sent, failed: called for each record, from any thread.
    """

    def __init__(
        self,
        open_producer: Callable[[], KafkaProducer],
        failed: Callable[[], None],
        sent: Callable[[], None] = lambda: None,
    ) -> None:
        self._open_producer = open_producer
        self._failed = failed
        self._sent = sent
        self._producer: KafkaProducer | None = None
        self._again_s = 0.0

    @property
    def circuit_open(self) -> bool:
        """It has just failed, and takes no record for a while."""
        return time.monotonic() < self._again_s

    def send(self, record: OutgoingRecord) -> None:
        """One thread calls. A record that does not reach the topic is counted; the first in a while is logged."""
        if self.circuit_open:
            self._failed()
            return
        try:
            if self._producer is None:
                self._producer = self._open_producer()
            future = self._producer.send(record.topic, record.body, key=record.key, headers=record.headers)
        except KafkaError as error:
            self._undelivered(record, error)
        except StripwatchError as error:
            self._undelivered(record, error, float("inf"))
        else:
            future.add_callback(lambda _: self._sent())
            future.add_errback(lambda error: self._undelivered(record, error))

    def close(self, timeout_s: float) -> None:
        """Wait for what was sent, until the time is up; the rest is counted as failed."""
        if self._producer is not None:
            try:
                self._producer.flush(timeout=timeout_s)
            except KafkaError as error:
                log.warning("not all reached its topic before the stop", error=str(error))
            force_close(self._producer)

    def _undelivered(self, record: OutgoingRecord, error: BaseException, pause_s: float = _PAUSE_S) -> None:
        self._failed()
        if isinstance(error, TOO_LARGE):
            pause_s = 0.0  # the next one may be smaller
        if not self.circuit_open:
            log.warning("a topic takes no records", topic=record.topic, pause_s=pause_s, error=str(error))
        self._again_s = max(self._again_s, time.monotonic() + pause_s)


def open_best_effort_producer(settings: Settings) -> KafkaProducer:
    """No part in a transaction, and little patience. Raises BrokerUnavailableError."""
    changes: dict[str, Any] = {
        "delivery": "at-least-once",
        "send_s_max": _SEND_S_MAX,
        "reject_bytes_max": max(settings.reject_bytes_max, settings.frame_bytes_max),  # a whole frame passes
    }
    return open_producer(settings.model_copy(update=changes))
