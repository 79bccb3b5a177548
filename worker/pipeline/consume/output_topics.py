"""Checks that the output topics exist. A producer would notice a missing topic only with its next record."""

import time
from collections.abc import Sequence
from typing import Any

import structlog
from kafka import KafkaConsumer

from stripwatch.worker.broker.workarounds.consumer.topic_requests import request_topics
from stripwatch.worker.monitoring.metrics import Metrics

log = structlog.get_logger()

_REQUEST_S = 2.0


class OutputTopics:
    """Tracks which output topics cannot be written.

    The consumer's thread calls `check`, which does not wait for the response; any thread may read `unwritable`.
    Requests use the consumer's connection and never create a topic.
    """

    def __init__(self, consumer: KafkaConsumer, topics: Sequence[str], metrics: Metrics) -> None:
        self._consumer = consumer
        self._topics = topics
        self._requested_s = 0.0
        self._response: Any = None
        self.unwritable: tuple[str, ...] = ()
        metrics.watch(metrics.unwritable_topics, lambda: len(self.unwritable))

    def check(self) -> None:
        """Process the last response, and send a request every few seconds.

        Without a response nothing changes: see liveness.py.
        """
        if self._response is not None and self._response.is_done:
            if self._response.succeeded():
                self._update(self._without_leader(self._response.value))
            self._response = None
        if self._response is None and self._topics and time.monotonic() - self._requested_s > _REQUEST_S:
            self._requested_s = time.monotonic()
            self._response = request_topics(self._consumer, self._topics)

    def _update(self, unwritable: tuple[str, ...]) -> None:
        if unwritable == self.unwritable:
            return
        if unwritable:
            log.error(
                "output topics cannot be written: missing, without a leader, or hidden by access rules",
                topics=unwritable,
            )
        else:
            log.info("output topics can be written", topics=self.unwritable)
        self.unwritable = unwritable

    def _without_leader(self, response: Any) -> tuple[str, ...]:
        """Return the topics that are missing or have a partition without a leader."""
        writable = {
            topic.name
            for topic in response.topics
            if not topic.error_code and all(partition.leader_id >= 0 for partition in topic.partitions)
        }
        return tuple(topic for topic in self._topics if topic not in writable)
