"""The thread that reads Kafka into the history while the page is served, and waits for a lost broker."""

import threading
from dataclasses import dataclass
from typing import Any

import structlog
from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from stripwatch.worker.broker.connection import TOOLS_ID, client_config
from stripwatch.worker.broker.consumers import list_topics, open_reader, partition_of, position_of
from stripwatch.worker.broker.time_order import StreamClock
from stripwatch.worker.broker.time_ordered_reader import TimeOrderedReader
from stripwatch.worker.broker.topic_reader import TopicReader, from_last
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.contracts.replay_mark import replayed_id
from stripwatch.worker.dashboard.state.cards import CARDS_MAX
from stripwatch.worker.dashboard.state.history import History

log = structlog.get_logger()
_AGAIN_S = 2.0
_FROM_LAST_PICTURES = from_last(CARDS_MAX)  # the page keeps no more cards to show them on


@dataclass(frozen=True, slots=True)
class Kept:
    """The parts of a record that are kept until it is added: neither the frame of a reject nor an evidence image."""

    position: Position
    timestamp_ms: int
    key: bytes | None
    headers: Any
    result: bytes | None
    is_replay_mark: bool


class Feed:
    """Reader thread of the page. It starts records_max before the end of the topics, so the page is not empty."""

    def __init__(self, settings: Settings, history: History, records_max: int) -> None:
        self._settings = settings
        self._history = history
        self._from_last = from_last(records_max)
        self._next: dict[TopicPartition, int] = {}
        self._clock = StreamClock()
        self._closed_s = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(timeout=15)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._read()
            except BrokerUnavailableError as error:
                log.warning("broker unavailable, retrying", error=str(error))
                self._history.say("lost", str(error))
            except Exception as error:  # the page must report it rather than freeze
                log.exception("reading failed, retrying")
                self._history.say("lost", f"reading failed: {type(error).__name__}")
            self._stopped.wait(_AGAIN_S)

    def _read(self) -> None:
        topics = self._settings.topics
        with open_reader(client_config(self._settings, TOOLS_ID)) as consumer:
            wanted = [topics.results, topics.rejects]
            if topics.evidence in list_topics(consumer, self._settings.broker.wait_s_max):
                wanted.append(topics.evidence)  # evidence is optional
            reader = TimeOrderedReader(TopicReader(consumer, wanted, self._starts), self._keep, self._clock)
            self._history.say("reading")
            while not self._stopped.is_set():
                live = reader.is_live
                for now_s, kept in reader.poll():
                    if now_s - self._closed_s >= 1:
                        self._close_coils(now_s)
                    self._add(kept, now_s, live)
                if reader.is_live:
                    self._history.say("live")
                    self._close_coils(reader.settled_s)

    def _close_coils(self, now_s: float) -> None:
        self._closed_s = now_s
        self._history.close_coils(now_s)

    def _keep(self, record: Any) -> Kept:
        return Kept(
            position=position_of(record),
            timestamp_ms=record.timestamp,
            key=record.key,
            headers=record.headers,
            result=record.value if record.topic == self._settings.topics.results else None,
            is_replay_mark=bool(replayed_id(record.value, record.headers)),
        )

    def _add(self, kept: Kept, now_s: float, live: bool) -> None:
        topic = kept.position.topic
        self._next[partition_of(kept.position)] = kept.position.next_offset
        if topic == self._settings.topics.evidence:
            self._history.evidence.add(kept.key, kept.position)
        elif kept.is_replay_mark:
            return  # the outcome follows as the result of the replayed frame
        elif topic == self._settings.topics.rejects:
            self._history.add_reject(kept.key, kept.headers, kept.timestamp_ms, now_s, live, kept.position)
        else:
            self._history.add_result(kept.result, kept.timestamp_ms, now_s, live)

    def _starts(self, consumer: KafkaConsumer, partitions: list[TopicPartition]) -> None:
        """Seek each partition to its next offset, or to its newest records if it is new.

        A topic that ends before the next offset was recreated. Reading a record twice is harmless: a repeated event has
        the same id.
        """
        ends = consumer.end_offsets(partitions)
        new = [tp for tp in partitions if tp not in self._next or self._next[tp] > ends[tp]]
        for pictures in (False, True):
            some = [tp for tp in new if (tp.topic == self._settings.topics.evidence) is pictures]
            if some:
                (_FROM_LAST_PICTURES if pictures else self._from_last)(consumer, some)
        if any(consumer.position(tp) > 0 for tp in new if tp.topic == self._settings.topics.results):
            self._history.read_from_middle()
        for partition in set(partitions) - set(new):
            consumer.seek(partition, self._next[partition])
