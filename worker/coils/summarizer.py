"""`stripwatch coils`: publishes a summary of each coil when it has ended. One process serves all lines of a cluster.

A worker sees only the cameras of its partitions, so a separate process reads all results and rejects. For each
partition it commits the first offset of the oldest coil that can still change, and in the metadata how far it has read.
After a restart it reads these coils again, and continues the summaries it finds on their topic. A summary is therefore
written at least once, a repeat has the same ce_id, and a correction has the same id and a higher revision.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote
from weakref import WeakSet

import msgspec
import structlog
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError
from prometheus_client import CollectorRegistry, Counter, ProcessCollector

from stripwatch.worker.broker.connection import TOOLS_ID, client_config
from stripwatch.worker.broker.consumers import open_reader, to_kafka
from stripwatch.worker.broker.producers import open_producer, producer_config
from stripwatch.worker.broker.time_ordered_reader import TimeOrderedReader
from stripwatch.worker.broker.topic_reader import TopicReader, from_last
from stripwatch.worker.coils.committed_records import CommittedStarts, ReadRecord, RecordReader
from stripwatch.worker.coils.grading.coil_state import GradingRules
from stripwatch.worker.coils.grading.model_labels import ModelLabels
from stripwatch.worker.coils.tracking.coil_part import CoilPart, EventSource
from stripwatch.worker.coils.tracking.coil_tracker import Added, CoilRules, CoilTracker
from stripwatch.worker.coils.tracking.observations import Observation
from stripwatch.worker.coils.tracking.published_coils import PublishedCoils, faults_of
from stripwatch.worker.common.clock import SystemClock
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.common.signals import exit_on_signals, stop_on_signal
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.contracts.frame_headers import Headers, cloudevent_headers
from stripwatch.worker.contracts.positions import CommitPoint, Partition
from stripwatch.worker.monitoring.coil_metrics import CoilMetrics
from stripwatch.worker.monitoring.health import HealthServer

log = structlog.get_logger()
_COMMIT_S = 5.0
_KNOWN_SUMMARIES = 2_000
_decode_summary = msgspec.json.Decoder(CoilSummary).decode


def summarize_coils(
    settings: Settings, rules: CoilRules, group_id: str, metrics_port: int | None = None
) -> dict[str, Any]:
    """Run until a signal. Return the counts of the run. Raises BrokerUnavailableError and SettingsError."""
    clock = SystemClock()
    topics = [settings.topics.results, settings.topics.rejects]
    with open_reader(client_config(settings, TOOLS_ID), group_id) as consumer:
        producer = open_producer(producer_config(settings))
        try:
            with exit_on_signals():  # PID 1 of a container would ignore signals here
                starts = CommittedStarts()
                reader = TimeOrderedReader(TopicReader(consumer, topics, starts), RecordReader(settings, starts))
                tracker = CoilTracker(rules, published_coils(settings, starts.first_offsets))
                writer = CoilWriter(settings, tracker, reader, starts, consumer, producer)
            with stop_on_signal(clock.stop), _health(settings, writer, metrics_port):
                log.info(
                    "reading",
                    topics=topics,
                    group_id=group_id,
                    settle_s=rules.settle_s,
                    correctable_s=rules.correctable_s,
                )
                while not clock.stopped:
                    writer.step()
                writer.commit()
        finally:
            with suppress(KafkaError):
                producer.close(timeout=settings.send_s_max)
    return writer.counts()


@contextmanager
def _health(settings: Settings, writer: "CoilWriter", port: int | None) -> Iterator[None]:
    """Serve metrics and health of this process if a port is given."""
    if port is None:
        yield
        return
    ProcessCollector(registry=writer.metrics.registry)
    place = settings.metrics.model_copy(update={"port": port})
    metrics = writer.metrics
    server = HealthServer(place, metrics.registry, writer.checks, metrics.connections_closed, writer.is_alive)
    log.info("metrics and health", port=server.port)
    try:
        yield
    finally:
        server.close()


class CoilWriter:
    """Reads results and rejects, and writes summaries and commits."""

    def __init__(
        self,
        settings: Settings,
        tracker: CoilTracker,
        reader: TimeOrderedReader[ReadRecord],
        starts: CommittedStarts,
        consumer: KafkaConsumer,
        producer: KafkaProducer,
    ) -> None:
        self.metrics = CoilMetrics(CollectorRegistry())
        self._settings = settings
        self._tracker = tracker
        self._reader = reader
        self._starts = starts
        self._consumer = consumer
        self._producer = producer
        self._committed_s = time.monotonic()
        self._stepped_s = time.monotonic()
        self._written_s = 0.0
        self._warned = WeakSet[CoilPart]()
        self._labels = ModelLabels()
        self._missing: list[str] = []
        self._was_live = False
        self.metrics.caught_up.set_function(
            self.is_caught_up
        )  # evaluated at each scrape, because the main loop may hang

    def step(self) -> None:
        self._stepped_s = time.monotonic()
        for now_s, record in self._reader.poll():
            if now_s - self._written_s >= 1:  # summarize coils that ended before this record
                self._write(now_s)
            if record.observation is not None:
                self._add(record.observation, now_s, record.source)
            elif not record.mark:
                self.metrics.unreadable.inc()
        if self._starts.is_reading_again:
            self._starts.note(self._reader.next_offsets())
        if self._reader.is_live:
            self._starts.caught_up()
            self._note_missing_labels()
            self._write(self._reader.settled_s)
        self._show()
        if time.monotonic() - self._committed_s >= _COMMIT_S:
            self.commit()

    def commit(self) -> None:
        """Commit the first record of the oldest coil that can still change. The metadata states how far was read."""
        firsts, unpublished = self._tracker.first_offsets(), self._tracker.first_unpublished()
        read_to = {Partition(*each): offset for each, offset in self._reader.next_offsets().items()}
        offsets = {
            each: CommitPoint(min(offset, firsts.get(each, offset)), str(min(offset, unpublished.get(each, offset))))
            for each, offset in read_to.items()
        }
        self._committed_s = time.monotonic()
        try:
            self._consumer.commit(to_kafka(offsets))
        except KafkaError as error:
            raise BrokerUnavailableError(
                f"Kafka rejected the offset commit: {type(error).__name__}: {error}"
            ) from error

    def checks(self) -> dict[str, bool]:
        return {"caught_up": self.is_caught_up()}

    def is_caught_up(self) -> bool:
        return self._was_live and self.is_alive()

    def is_alive(self) -> bool:
        """Return whether the main loop runs, with the same time limit as a worker (max_poll_interval_ms)."""
        return time.monotonic() - self._stepped_s < self._settings.max_poll_interval_ms / 1000

    def counts(self) -> dict[str, Any]:
        metrics = self.metrics
        return {
            "coils": _total(metrics.summaries, kind="first"),
            "corrections": _total(metrics.summaries, kind="corrected"),
            "supplements": _total(metrics.summaries, kind="supplement"),
            "frames": _total(metrics.frames),
            "repeats": _total(metrics.repeats),
            "late": _total(metrics.late_frames),
            "unreadable": _total(metrics.unreadable),
        }

    def _add(self, observation: Observation, now_s: float, source: EventSource) -> None:
        self._labels.add(observation.model_labels)
        added = self._tracker.add(observation, now_s, source)
        if added.outcome == "repeat":
            self.metrics.repeats.inc()
            return
        self.metrics.frames.labels(observation.state).inc(not added.replaces_reject)
        if added.outcome != "in-time":
            self._note_late(observation, added)

    def _note_late(self, observation: Observation, added: Added) -> None:
        replayed = added.outcome == "supplement" and observation.replay_of is not None
        self.metrics.late_frames.labels("replayed" if replayed else added.outcome).inc()
        if added.part and added.part not in self._warned:
            self._warned.add(added.part)
            coil = {"coil": observation.coil, "line": observation.line, "camera": observation.camera}
            if added.outcome == "late":
                log.info("late frames of an ended coil, its summary will be corrected", **coil)
            else:
                log.warning("late frames summarized in a supplement", **coil)

    def _write(self, now_s: float) -> None:
        """Publish summaries of ended and corrected coils. Their offsets are committed after Kafka has acknowledged."""
        self._written_s = now_s
        if self._starts.is_reading_again:
            self._tracker.end_parts(now_s)
            return
        sent, states = [], {}
        for part in self._tracker.due(now_s):
            summary = part.summary()
            sent.append((part, self._send(summary, part.log.line_uri)))
            states[part] = summary.state
            self._note_faults(part, summary)
        for part, future in sent:
            try:
                future.get(timeout=self._settings.send_s_max)
            except KafkaError as error:
                topic = self._settings.topics.coils
                raise BrokerUnavailableError(f"{topic} did not accept a coil summary: {error}") from error
            self.metrics.summaries.labels(_kind(part)).inc()
            log.info(
                "coil summarized",
                state=states[part],
                coil=part.log.coil,
                line=part.log.line,
                why=part.ended,
                revision=part.revision,
                supplement=part.log.supplement,
                frames=part.log.frames,
            )

    def _note_missing_labels(self) -> None:
        """Warn once about settings for classes that no model has, because they have no effect."""
        grading = GradingRules.of(self._settings)
        if (missing := self._labels.missing(grading.labels)) != self._missing:
            self._missing = missing
            if missing:
                log.warning("settings severity or limits name classes that no model has", labels=missing)

    def _note_faults(self, part: CoilPart, summary: CoilSummary) -> None:
        """Count and log each kind of fault once per part, at the first summary that states it."""
        new = faults_of(summary) - part.faults
        part.faults |= new
        if not new:
            return
        for fault in sorted(new):
            self.metrics.faulty.labels(fault).inc()
        log.warning(
            "coil has impossible positions or silent cameras",
            coil=summary.coil,
            line=summary.line,
            position_faults=summary.position_faults,
            cameras_silent=summary.cameras_silent,
        )

    def _show(self) -> None:
        parts = list(self._tracker)
        running = sum(part.ended is None for part in parts)
        self.metrics.running.set(running)
        self.metrics.correctable.set(len(parts) - running)
        self._was_live = self._reader.is_live

    def _send(self, summary: CoilSummary, line_uri: str | None) -> Any:
        return self._producer.send(
            self._settings.topics.coils,
            msgspec.json.encode(summary),
            key=(summary.line or "").encode(),
            headers=coil_headers(summary, line_uri),
        )


def coil_headers(summary: CoilSummary, line_uri: str | None) -> Headers:
    """Return the CloudEvents headers of a summary. line_uri: the line as stated in ce_source by its cameras."""
    identity = summary.id if summary.revision == 1 else f"{summary.id}-{summary.revision}"
    source = line_uri or quote(summary.line or "/")
    return cloudevent_headers(identity, source, "coil", summary.last_captured_at, summary.coil or None)


def published_coils(settings: Settings, first_offsets: Mapping[str, int]) -> PublishedCoils:
    """Read the newest summaries from Kafka. first_offsets: offsets from which this run reads results and rejects."""
    published = PublishedCoils(first_offsets)
    with open_reader(client_config(settings, TOOLS_ID)) as consumer:
        reader = TopicReader(consumer, [settings.topics.coils], from_last(_KNOWN_SUMMARIES))
        while reader.caught_up_at_s is None:
            for record in reader.poll():
                with suppress(msgspec.DecodeError, ValueError):
                    published.add(_decode_summary(record.value or b""))
    return published


def _kind(part: CoilPart) -> str:
    if part.log.supplement:
        return "supplement"
    return "first" if part.revision == 1 else "corrected"


def _total(counter: Counter, **labels: str) -> int:
    """Return the sum of all series of a counter, or of those with these labels."""
    samples = (sample for metric in counter.collect() for sample in metric.samples if sample.name.endswith("_total"))
    return round(sum(sample.value for sample in samples if labels.items() <= sample.labels.items()))
