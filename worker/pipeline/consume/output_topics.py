"""Whether the topics that the worker writes to are there: a producer notices only when it has something to send."""

import time
from collections.abc import Sequence
from typing import Any

import structlog
from kafka import KafkaConsumer

from stripwatch.worker.broker.workarounds.consumer.topic_requests import request_topics
from stripwatch.worker.monitoring.metrics import Metrics

log = structlog.get_logger()

_ASK_S = 2.0


class OutputTopics:
    """Checked by the consumer's thread, which does not wait for the answer; any thread may read `unwritable`.

    It asks by the consumer's connection, and for no topic to be created.
    """

    def __init__(self, consumer: KafkaConsumer, topics: Sequence[str], metrics: Metrics) -> None:
        self._consumer = consumer
        self._topics = topics
        self._asked_s = 0.0
        self._answer: Any = None
        self.unwritable: tuple[str, ...] = ()
        metrics.watch(metrics.unwritable_topics, lambda: len(self.unwritable))

    def check(self) -> None:
        """Take the last answer, and ask again every few seconds. Without an answer nothing changes: see liveness.py."""
        if self._answer is not None and self._answer.is_done:
            if self._answer.succeeded():
                self._found(self._without_leader(self._answer.value))
            self._answer = None
        if self._answer is None and self._topics and time.monotonic() - self._asked_s > _ASK_S:
            self._asked_s = time.monotonic()
            self._answer = request_topics(self._consumer, self._topics)

    def _found(self, unwritable: tuple[str, ...]) -> None:
        if unwritable == self.unwritable:
            return
        if unwritable:
            log.error(
                "topics cannot be written: they do not exist, have no leader, or access rules hide them",
                topics=unwritable,
            )
        else:
            log.info("all topics can be written", topics=self.unwritable)
        self.unwritable = unwritable

    def _without_leader(self, response: Any) -> tuple[str, ...]:
        """Or not there at all."""
        writable = {
            topic.name
            for topic in response.topics
            if not topic.error_code and all(partition.leader_id >= 0 for partition in topic.partitions)
        }
        return tuple(topic for topic in self._topics if topic not in writable)
