"""Finds the evidence image of an event that is older than the page's list of evidence images."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import ExitStack, suppress

import structlog
from kafka import KafkaConsumer
from kafka.errors import KafkaError
from kafka.partitioner.default import murmur2
from kafka.structs import TopicPartition

from stripwatch.worker.broker.connection import TOOLS_ID, client_config
from stripwatch.worker.broker.consumers import open_reader, position_of
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.dashboard.past.ranges import RecordTimes, assign_only

log = structlog.get_logger()
_KEPT = 1_000
_BEFORE_MS, _AFTER_MS = 5_000, 60_000
_RECORDS_MAX, _SEARCH_S_MAX, _POLL_MS = 300, 4.0, 200
_FETCH_BYTES = 4_000_000


class EvidenceFinder:
    """Searches the evidence topic around the time of an event. Thread-safe; one search at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topics.evidence
        self._kept: OrderedDict[str, Position] = OrderedDict()
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._consumer: KafkaConsumer | None = None

    def find(self, event_id: str, recorded_ms: int) -> Position | None:
        """Return the position of the image; None if it is not on Kafka, or if Kafka does not respond.

        recorded_ms: time at which the event was written. The worker writes the image shortly after.
        """
        with self._lock:
            if event_id not in self._kept:
                try:
                    found = self._search(event_id, recorded_ms)
                except (KafkaError, BrokerUnavailableError) as error:
                    log.warning("cannot search evidence image", event=event_id, error=str(error))
                    self._close()
                    return None
                if found is None:
                    return None
                self._kept[event_id] = found
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return self._kept[event_id]

    def close(self) -> None:
        with self._lock:
            self._close()

    def _search(self, event_id: str, recorded_ms: int) -> Position | None:
        if self._consumer is None:
            client = client_config(self._settings, TOOLS_ID)
            self._consumer = self._open.enter_context(open_reader(client, fetch_bytes_max=_FETCH_BYTES))
        times = RecordTimes(self._consumer, [self._topic])
        found = times.between(recorded_ms - _BEFORE_MS, recorded_ms + _AFTER_MS)
        key = event_id.encode(errors="replace")
        partition = _partition(key, self._topic, found)
        if partition is None or not found[partition].records:
            return None
        assign_only(self._consumer, [partition])
        try:
            self._consumer.seek(partition, found[partition].first)
            return self._scan(self._consumer, key, found[partition].end)
        finally:
            self._consumer.unsubscribe()

    def _scan(self, consumer: KafkaConsumer, key: bytes, end: int) -> Position | None:
        until_s, read = time.monotonic() + _SEARCH_S_MAX, 0
        while time.monotonic() < until_s and read < _RECORDS_MAX:
            for records in consumer.poll(timeout_ms=_POLL_MS).values():
                for record in records:
                    if record.key == key:
                        return position_of(record)
                    if record.offset + 1 >= end:
                        return None
                    read += 1
        return None

    def _close(self) -> None:
        self._consumer = None
        with suppress(KafkaError):
            self._open.close()


def _partition(key: bytes, topic: str, partitions: Iterable[TopicPartition]) -> TopicPartition | None:
    """Return the partition that the worker's producer chooses for a key, by the rule of Kafka's clients."""
    numbers = sorted(tp.partition for tp in partitions if tp.topic == topic)
    return TopicPartition(topic, numbers[(murmur2(key) & 0x7FFFFFFF) % len(numbers)]) if numbers else None
