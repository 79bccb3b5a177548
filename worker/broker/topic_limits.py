"""Maximum record size of each topic, as reported by Kafka or learned from rejected records."""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import structlog
from kafka.record.default_records import DefaultRecordBatchBuilder

from stripwatch.worker.broker.admin import open_admin, topic_settings
from stripwatch.worker.broker.connection import client_config
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.settings import Settings

log = structlog.get_logger()

DEFAULT_BYTES_MAX = 1_048_588  # Kafka's own default of max.message.bytes
_ASK_S_MAX = 10.0
_MESSAGE_BYTES, _SEGMENT_BYTES, _COMPRESSION = "max.message.bytes", "segment.bytes", "compression.type"
_AS_SENT = ("producer", "uncompressed")
_GROWTH_SHARE = 100  # a batch that the broker recompresses may grow by 1 % if it is incompressible


class TopicLimits:
    """Known size limits of topics. Thread-safe.

    read: requests the limits from Kafka; a topic that is missing in the result keeps its previous limit.
    """

    def __init__(self, read: Callable[[], Mapping[str, int]] = dict) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._reported: dict[str, int] = {}
        self._learned: dict[str, int] = {}

    def refresh(self) -> None:
        """Read the limits from Kafka. A learned limit is dropped if the reported limit of its topic has changed."""
        reported = self._read()
        with self._lock:
            for topic, bytes_max in reported.items():
                if self._reported.get(topic) != bytes_max:
                    self._learned.pop(topic, None)
            self._reported.update(reported)

    def bytes_max(self, topic: str) -> int | None:
        """Return the maximum size of a record batch with one record; None if it is not known."""
        with self._lock:
            known = [limits[topic] for limits in (self._reported, self._learned) if topic in limits]
        return min(known, default=None)

    def learn(self, topic: str, refused_bytes: int, frame_bytes: int) -> None:
        """Learn from a record that Kafka rejected although it was within the known limit, or no limit was known.

        The new limit leaves out half of the frame, unless Kafka's default limit explains the rejection.

        Args:
            topic: The topic.
            refused_bytes: Size of the rejected record.
            frame_bytes: Part of it that can be left out.
        """
        with self._lock:
            above_default = topic not in self._reported and refused_bytes > DEFAULT_BYTES_MAX
            self._learned[topic] = DEFAULT_BYTES_MAX if above_default else refused_bytes - (frame_bytes + 1) // 2
        log.info("learned a topic's size limit from a rejected record", topic=topic, bytes_max=self._learned[topic])

    def smallest(self) -> int | None:
        with self._lock:
            return min((*self._reported.values(), *self._learned.values()), default=None)

    def largest(self) -> int | None:
        with self._lock:
            return max(self._reported.values(), default=None)


def record_bytes(key: bytes | None, body: bytes, headers: Collection[tuple[str, bytes]]) -> int:
    """Return an upper bound of the size of a batch with only this record, which Kafka compares with the limit."""
    size: int = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, body, headers)
    return size


def read_topic_limits(settings: Settings, topics: Collection[str]) -> dict[str, int]:
    """Return the limits that Kafka reports. Limits that it does not report are left out and logged."""
    try:
        with open_admin(replace(client_config(settings), wait_s_max=_ASK_S_MAX)) as admin:
            limits = limits_of(admin, topics)
    except BrokerUnavailableError as error:
        log.info("cannot read topic size limits; learning them from rejected records", error=str(error))
        return {}
    unknown = sorted(set(topics) - set(limits))
    if unknown:
        log.info(
            "cannot read topic size limits; learning them from rejected records",
            topics=unknown,
            error="a topic does not exist, or the ACLs do not grant DescribeConfigs on it, "
            f"or the broker does not report {_MESSAGE_BYTES}",
        )
    return limits


def limits_of(admin: Any, topics: Collection[str]) -> dict[str, int]:
    """Return the limits that Kafka reports to an admin client, without topics that have none. Raises KafkaError."""
    settings = topic_settings(admin, topics)
    return {topic: _limit(found) for topic, found in settings.items() if found.get(_MESSAGE_BYTES)}


def _limit(found: Mapping[str, str]) -> int:
    limit = min(int(found[name]) for name in (_MESSAGE_BYTES, _SEGMENT_BYTES) if found.get(name))
    return limit if found.get(_COMPRESSION, _AS_SENT[0]) in _AS_SENT else limit - limit // _GROWTH_SHARE
