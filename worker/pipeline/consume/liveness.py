"""Detects that Kafka does not respond or that the topic of frames is gone.

kafka-python itself retries silently and without limit.
"""

import time

import structlog
from kafka import KafkaConsumer

from stripwatch.worker.broker.connection import advertised_fault
from stripwatch.worker.broker.workarounds.connection.cluster_metadata import cluster_metadata
from stripwatch.worker.broker.workarounds.consumer.received_bytes import count_received
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.monitoring.metrics import Metrics

log = structlog.get_logger()

_CHECK_S = 1.0
_REQUEST_S = 3.0  # after this silence, request metadata so that a response is due
SILENCE_S_MAX = 10.0


class BrokerLiveness:
    """Tracks whether Kafka responds and the topic is readable.

    The consumer's thread calls `check`; any thread may read `broker_alive` and `topic_readable`. After away_s_max
    seconds without Kafka or without the topic, the worker ends.
    """

    def __init__(self, consumer: KafkaConsumer, topic: str, away_s_max: float, metrics: Metrics) -> None:
        self._consumer = consumer
        self._cluster = cluster_metadata(consumer)
        self._topic = topic
        self._away_s_max = away_s_max
        self._metrics = metrics
        self._received = count_received(consumer)
        self._received_bytes = -1.0
        now_s = time.monotonic()
        self._last_response_s = self._topic_seen_s = self._checked_s = now_s
        self.broker_alive = True
        self.topic_readable = True
        metrics.watch(metrics.broker_silence, lambda: time.monotonic() - self._last_response_s)

    def check(self) -> None:
        """Update the state. Raises BrokerUnavailableError after away_s_max."""
        now_s = time.monotonic()
        if now_s - self._checked_s < _CHECK_S:
            return
        self._checked_s = now_s
        self._check_broker(now_s)
        self._check_topic(now_s)

    def _check_broker(self, now_s: float) -> None:
        received_bytes = self._received()
        if received_bytes != self._received_bytes:
            self._received_bytes, self._last_response_s = received_bytes, now_s
        silence_s = now_s - self._last_response_s
        if silence_s > self._away_s_max:
            fault = advertised_fault(self._consumer)
            raise BrokerUnavailableError(
                f"no response from Kafka for {silence_s:.0f} s (broker.away_s_max){f': {fault}' if fault else ''}"
            )
        if silence_s > _REQUEST_S:
            self._cluster.request_update()
        alive = silence_s < SILENCE_S_MAX
        if alive != self.broker_alive:
            self.broker_alive = alive
            if alive:
                log.info("Kafka responds again")
            else:
                log.warning("Kafka does not respond", seconds=round(silence_s), why=advertised_fault(self._consumer))

    @property
    def _is_hidden(self) -> bool:
        return self._topic in self._cluster.unauthorized_topics

    def _check_topic(self, now_s: float) -> None:
        """Check the topic in the client's metadata, which the client refreshes when a fetch fails."""
        partitions = self._cluster.partitions_for_topic(self._topic)
        if partitions or not self.broker_alive:
            self._topic_seen_s = now_s
        missing_s = now_s - self._topic_seen_s
        if missing_s > self._away_s_max:
            cause = "hidden by access rules" if self._is_hidden else "missing"
            raise BrokerUnavailableError(
                f"cannot read topic {self._topic!r}: {cause} for {missing_s:.0f} s (broker.away_s_max)"
            )
        leaderless = len(partitions or ()) - len(self._cluster.available_partitions_for_topic(self._topic) or ())
        self._metrics.leaderless.set(leaderless)
        self._metrics.topic_partitions.set(len(partitions or ()))
        readable = bool(partitions) and not leaderless
        if readable != self.topic_readable:
            self.topic_readable = readable
            if readable:
                log.info("topic is readable", topic=self._topic)
            elif self._is_hidden:
                log.error("topic is hidden by access rules; grant this worker Describe and Read", topic=self._topic)
            else:
                log.error("topic is not readable", topic=self._topic, leaderless=leaderless)
        if not readable:
            self._cluster.request_update()
