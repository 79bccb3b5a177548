"""The largest record that each topic takes: as Kafka reports it, or as its refusals show."""

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
_GROWTH_SHARE = 100  # a batch that the broker compresses again may grow by a hundredth where nothing can be gained


class TopicLimits:
    """Any thread may call.

    read: asks Kafka for the limits; a topic that is missing from the answer keeps the limit known before.
    """

    def __init__(self, read: Callable[[], Mapping[str, int]] = dict) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._reported: dict[str, int] = {}
        self._learned: dict[str, int] = {}

    def refresh(self) -> None:
        """Ask Kafka. What was learned of a topic is forgotten when its limit was changed."""
        reported = self._read()
        with self._lock:
            for topic, bytes_max in reported.items():
                if self._reported.get(topic) != bytes_max:
                    self._learned.pop(topic, None)
            self._reported.update(reported)

    def bytes_max(self, topic: str) -> int | None:
        """Of a record batch with one record; None where it is not known."""
        with self._lock:
            known = [limits[topic] for limits in (self._reported, self._learned) if topic in limits]
        return min(known, default=None)

    def learn(self, topic: str, refused_bytes: int, frame_bytes: int) -> None:
        """Kafka refused a record of this size, although it was within the limit, or no limit was known.

        frame_bytes: how much of it can be left out. Half of that is, unless Kafka's default limit explains the refusal.
        """
        with self._lock:
            above_default = topic not in self._reported and refused_bytes > DEFAULT_BYTES_MAX
            self._learned[topic] = DEFAULT_BYTES_MAX if above_default else refused_bytes - (frame_bytes + 1) // 2
        log.info("learned a topic's size limit from a refusal", topic=topic, bytes_max=self._learned[topic])

    def smallest(self) -> int | None:
        with self._lock:
            return min((*self._reported.values(), *self._learned.values()), default=None)

    def largest(self) -> int | None:
        with self._lock:
            return max(self._reported.values(), default=None)


def record_bytes(key: bytes | None, body: bytes, headers: Collection[tuple[str, bytes]]) -> int:
    """Upper bound of a record batch that holds this record alone, which is what Kafka compares with the limit."""
    size: int = DefaultRecordBatchBuilder.estimate_size_in_bytes(key, body, headers)
    return size


def read_topic_limits(settings: Settings, topics: Collection[str]) -> dict[str, int]:
    """The limits that Kafka reports to this worker. One that it does not report is left out, and logged."""
    try:
        with open_admin(replace(client_config(settings), wait_s_max=_ASK_S_MAX)) as admin:
            limits = limits_of(admin, topics)
    except BrokerUnavailableError as error:
        log.info("topic size limits cannot be read; they are learned from refusals", error=str(error))
        return {}
    unknown = sorted(set(topics) - set(limits))
    if unknown:
        log.info(
            "topic size limits cannot be read; they are learned from refusals",
            topics=unknown,
            error="a topic does not exist, or the access rules do not grant DescribeConfigs on it, "
            f"or the broker does not report {_MESSAGE_BYTES}",
        )
    return limits


def limits_of(admin: Any, topics: Collection[str]) -> dict[str, int]:
    """The limits that Kafka reports to an admin client; a topic without one is left out. Raises KafkaError."""
    settings = topic_settings(admin, topics)
    return {topic: _limit(found) for topic, found in settings.items() if found.get(_MESSAGE_BYTES)}


def _limit(found: Mapping[str, str]) -> int:
    limit = min(int(found[name]) for name in (_MESSAGE_BYTES, _SEGMENT_BYTES) if found.get(name))
    return limit if found.get(_COMPRESSION, _AS_SENT[0]) in _AS_SENT else limit - limit // _GROWTH_SHARE
