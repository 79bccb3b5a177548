"""`stripwatch coils`: writes a summary of each coil when it has ended. One process for all lines of a cluster.

A worker sees the cameras of its partitions alone, so this is done by a reader of all results and rejects. For each
partition it commits where the oldest coil without a summary began: a restart reads that coil again. Which coils have
one, it learns from the topic of summaries itself. So a summary is written at least once, and a repeat has the same id.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata, TopicPartition

from stripwatch.worker.broker.producers import open_producer
from stripwatch.worker.broker.topic_reader import TopicReader, from_beginning, from_last, open_topic_consumer
from stripwatch.worker.coils.coil import CoilSummary
from stripwatch.worker.coils.coil_tracker import CoilRules, CoilTracker, Key
from stripwatch.worker.coils.observations import Observation, observation_from_record, time_ms
from stripwatch.worker.common.clock import SystemClock
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.replay_mark import replayed_id

log = structlog.get_logger()
_COMMIT_S = 5.0
_KNOWN_SUMMARIES = 2_000
_decode_summary = msgspec.json.Decoder(CoilSummary).decode


def summarize_coils(settings: Settings, rules: CoilRules, group_id: str) -> dict[str, Any]:
    """Run until a signal; the counts. Raises BrokerUnavailableError."""
    clock, book = SystemClock(), CoilTracker(rules)
    for summary, last_ms in known_summaries(settings):
        book.remember_closed((summary.line, summary.coil), last_ms)
        book.remember_cameras(summary.line, {*summary.cameras} - {*summary.cameras_silent})
    topics = [settings.topics.results, settings.topics.rejects]
    with open_topic_consumer(settings, group_id) as consumer:
        producer = open_producer(settings.model_copy(update={"delivery": "at-least-once"}))  # a worker's own setting
        try:
            writer = CoilWriter(settings, book, TopicReader(consumer, topics, from_committed), consumer, producer)
            with clock.stopped_by_signals():
                log.info("reading", topics=topics, group_id=group_id)
                while not clock.stopped:
                    writer.step()
                writer.commit()
        finally:
            with suppress(KafkaError):
                producer.close(timeout=settings.send_s_max)
    return writer.counts()


class CoilWriter:
    """Results and rejects in, summaries and commits out."""

    def __init__(
        self,
        settings: Settings,
        book: CoilTracker,
        reader: TopicReader,
        consumer: KafkaConsumer,
        producer: KafkaProducer,
    ) -> None:
        self._settings = settings
        self._tracker = book
        self._reader = reader
        self._consumer = consumer
        self._producer = producer
        self._firsts: dict[Key, dict[TopicPartition, int]] = {}
        self._committed_s = time.monotonic()
        self._late_key: Key | None = None
        self._coils = self._looks = self._unreadable = 0

    def step(self) -> None:
        for record in self._reader.poll():
            if replayed_id(record.value, record.headers):
                continue  # the frame's own result will say what became of it
            observation = observation_from_record(record, self._settings.topics.rejects)
            if observation is None:
                self._unreadable += 1
            else:
                self._add(observation, record)
        if self._reader.caught_up_at_s is not None:
            self._write(self._reader.caught_up_at_s)
        if time.monotonic() - self._committed_s >= _COMMIT_S:
            self.commit()

    def commit(self) -> None:
        """Up to the first record of the oldest coil without a summary."""
        offsets = self._reader.next_offsets()
        for firsts in self._firsts.values():
            offsets |= {tp: min(offset, offsets[tp]) for tp, offset in firsts.items() if tp in offsets}
        self._committed_s = time.monotonic()
        try:
            self._consumer.commit({tp: OffsetAndMetadata(offset, "", -1) for tp, offset in offsets.items()})
        except KafkaError as error:
            raise BrokerUnavailableError(f"Kafka did not take the commit: {type(error).__name__}: {error}") from error

    def counts(self) -> dict[str, Any]:
        return {
            "coils": self._coils,
            "frames": self._looks,
            "repeats": self._tracker.repeats,
            "late": self._tracker.late,
            "unreadable": self._unreadable,
        }

    def _add(self, observation: Observation, record: Any) -> None:
        late = self._tracker.late
        if self._tracker.add(observation, time.monotonic()):
            self._looks += 1
        key = observation.line, observation.coil
        if self._tracker.late > late:  # after a restart these are repeats
            if key != self._late_key:
                log.warning(
                    "frames of a coil that was summarised are left out",
                    coil=observation.coil,
                    camera=observation.camera,
                )
            self._late_key = key
            return
        firsts = self._firsts.setdefault(key, {})
        firsts.setdefault(TopicPartition(record.topic, record.partition), record.offset)

    def _write(self, caught_up_at_s: float) -> None:
        """Summaries of what has ended; their coils are let go only once Kafka has them."""
        sent = []
        for coil, why in self._tracker.close(caught_up_at_s):
            summary = coil.summary(why)
            sent.append(self._send(summary, coil.line_uri))
            self._firsts.pop((coil.line, coil.coil), None)
            self._coils += 1
            if summary.position_faults or summary.cameras_silent:
                log.warning(
                    "a coil has positions that cannot be right, or cameras that sent nothing",
                    coil=coil.coil,
                    line=coil.line,
                    position_faults=summary.position_faults,
                    cameras_silent=summary.cameras_silent,
                )
            log.info("coil ended", coil=coil.coil, line=coil.line, why=why, frames=coil.frames, defects=summary.defects)
        for future in sent:
            try:
                future.get(timeout=self._settings.send_s_max)
            except KafkaError as error:
                raise BrokerUnavailableError(
                    f"{self._settings.topics.coils} did not take a summary: {error}"
                ) from error

    def _send(self, summary: CoilSummary, line_uri: str | None) -> Any:
        headers = [
            ("ce_specversion", "1.0"),
            ("ce_id", summary.id),
            ("ce_source", line_uri or quote(summary.line or "/")),
            ("ce_type", "stripwatch.coil.v1"),
            ("ce_time", summary.last_captured_at),
            ("ce_subject", summary.coil or ""),
            ("content-type", "application/json"),
        ]
        return self._producer.send(
            self._settings.topics.coils,
            msgspec.json.encode(summary),
            key=(summary.line or "").encode(),
            headers=[(name, value.encode()) for name, value in headers if value],
        )


def known_summaries(settings: Settings) -> Iterator[tuple[CoilSummary, int]]:
    """The newest summaries on Kafka, each with its last time of capture in ms."""
    with open_topic_consumer(settings) as consumer:
        reader = TopicReader(consumer, [settings.topics.coils], from_last(_KNOWN_SUMMARIES))
        while reader.caught_up_at_s is None:
            for record in reader.poll():
                with suppress(msgspec.DecodeError, ValueError):
                    summary = _decode_summary(record.value or b"")
                    yield summary, time_ms(summary.last_captured_at)


def from_committed(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> None:
    for partition in partitions:
        offset = consumer.committed(partition)
        if offset is None:
            from_beginning(consumer, [partition])
        else:
            consumer.seek(partition, offset)
