"""Finds coils in the summaries of coils or, where there are none, in the results and rejects."""

import time
from collections.abc import Callable
from typing import NamedTuple

from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from stripwatch.worker.broker.consumers import list_topics, require_topics
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.contracts.timestamps import parse_rfc3339, rfc3339
from stripwatch.worker.dashboard.past.event_records import read_events
from stripwatch.worker.dashboard.past.jobs import Watch
from stripwatch.worker.dashboard.past.query import CoilQuery, CoilTarget
from stripwatch.worker.dashboard.past.ranges import OffsetRange, Ranges, RecordTimes
from stripwatch.worker.dashboard.past.result_scan import scan
from stripwatch.worker.dashboard.past.summary_index import SummaryIndex, fetch_summary
from stripwatch.worker.dashboard.state.page_rules import page_rules

RECORDS_MAX = 1_000_000
_LEADS_MS = (900_000, 7_200_000, 43_200_000)  # tried in turn, until the first frame of the coil is found
_CLOCK_MS = 60_000  # results are written after the capture of their frames, unless the camera's clock is ahead


class Located(NamedTuple):
    """A coil. from_summaries: its summary is on the topic of coils."""

    summary: CoilSummary
    from_summaries: bool


class ScannedCoils(NamedTuple):
    """Coils from the results. since: time from which they were read, if the range has too many records."""

    coils: list[CoilSummary]
    since: str | None


class CoilSource:
    """Coils on Kafka, for one search.

    Raises BrokerUnavailableError and HistoryError in each method.
    """

    def __init__(self, settings: Settings, consumer: KafkaConsumer, index: SummaryIndex, watch: Watch) -> None:
        self._settings = settings
        self.consumer = consumer
        self._index = index
        self._watch = watch
        self._rules = page_rules(settings)
        topics = settings.topics
        require_topics(consumer, [topics.results, topics.rejects], settings.broker.wait_s_max)
        if topics.coils in list_topics(consumer, settings.broker.wait_s_max):
            index.refresh(consumer, watch)
        self.times = RecordTimes(consumer, [topics.results, topics.rejects])

    @property
    def has_summaries(self) -> bool:
        return bool(self._index.coils())

    def summaries(self, query: CoilQuery) -> list[CoilSummary]:
        """Return the matching coils of the topic of coils, oldest first."""
        found = [summary for summary in self._index.coils() if query.matches(summary)]
        return sorted(found, key=lambda summary: summary.first_captured_at)

    def scanned(self, query: CoilQuery) -> ScannedCoils:
        """Find matching coils in the results, oldest first."""
        from_ms = None if query.from_ms is None else query.from_ms - _LEADS_MS[0]
        to_ms = None if query.to_ms is None else query.to_ms + self._tail_ms
        coils, since_ms = self._scan(from_ms, to_ms, query.matches)
        return ScannedCoils(coils, None if since_ms is None else rfc3339(since_ms))

    def locate(self, target: CoilTarget) -> Located | None:
        """Return the summary of a coil; without its lists of defects and gaps if it is not on the topic of coils."""
        for summary in self._index.coils():
            position = self._index.position(summary.id)
            if target.is_of(summary) and position:
                return Located(fetch_summary(self.consumer, position) or summary, from_summaries=True)
        coils = self._scanned_for(target)
        same = [coil for coil in coils if coil.id == target.id]
        longest = sorted(coils, key=lambda coil: coil.frames.inspected, reverse=True)
        return next((Located(coil, from_summaries=False) for coil in same or longest), None)

    def begins_cut(self, located: Located) -> bool:
        """Return whether the first frames of a coil from the results may have been deleted from Kafka."""
        if located.from_summaries or not any(self.times.begins.values()):
            return False
        silence_ms = round(1000 * self._rules.silence_s)
        return parse_rfc3339(located.summary.first_captured_at) - silence_ms < (self.times.oldest_ms() or 0)

    def ranges(self, summary: CoilSummary) -> Ranges:
        """Return the records among which those of a coil are."""
        spans = {
            tp: OffsetRange(max(span.first, self.times.begins[tp]), min(span.last + 1, self.times.ends[tp]))
            for name, span in summary.offsets.items()
            if (tp := _partition_named(name)) in self.times.begins
        }
        if spans:
            return spans
        delays_ms = [camera.delay_ms_min or 0 for camera in summary.cameras.values()]
        first_ms, last_ms = parse_rfc3339(summary.first_captured_at), parse_rfc3339(summary.last_captured_at)
        until_ms = last_ms + max(delays_ms, default=0) + self._tail_ms if summary.ended else None
        return self.times.newest(first_ms - _CLOCK_MS, until_ms, RECORDS_MAX)[0]

    @property
    def _tail_ms(self) -> int:
        """Time after the last frame of a coil in which it can still be seen that it has ended."""
        return round(1000 * (self._rules.settle_s + self._rules.silence_s))

    def _scanned_for(self, target: CoilTarget) -> list[CoilSummary]:
        if target.from_ms is None or target.to_ms is None:
            return self._scan(None, None, target.is_of)[0]
        silence_ms = round(1000 * self._rules.silence_s)
        found: list[CoilSummary] = []
        for lead_ms in _LEADS_MS:
            from_ms = target.from_ms - lead_ms
            found = self._scan(from_ms, target.to_ms + self._tail_ms, target.is_of)[0]
            firsts_ms = [parse_rfc3339(coil.first_captured_at) for coil in found]
            if not found or min(firsts_ms) - silence_ms > from_ms or from_ms < (self.times.oldest_ms() or 0):
                break
        return found

    def _scan(
        self, from_ms: int | None, to_ms: int | None, wanted: Callable[[CoilSummary], bool]
    ) -> tuple[list[CoilSummary], int | None]:
        now_ms = round(time.time() * 1000)
        ranges, since_ms = self.times.newest(from_ms, to_ms, RECORDS_MAX)
        events = read_events(self.consumer, ranges, self._settings.topics.rejects, self._watch)
        until_ms = now_ms if to_ms is None else min(now_ms, to_ms)
        return scan(events, self._rules, wanted, until_ms), since_ms


def _partition_named(name: str) -> TopicPartition:
    topic, _, number = name.rpartition("-")
    return TopicPartition(topic, int(number) if number.isascii() and number.isdecimal() else -1)
