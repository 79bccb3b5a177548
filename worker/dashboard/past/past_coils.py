"""The history on Kafka: searches for coils, and the content of reports."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal

import msgspec
from kafka import KafkaConsumer

from stripwatch.worker.broker.connection import TOOLS_ID, client_config
from stripwatch.worker.broker.consumers import open_reader
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.contracts.timestamps import parse_rfc3339
from stripwatch.worker.dashboard.past.coil_detail import CoilDetail, Source, coil_detail
from stripwatch.worker.dashboard.past.coil_reading import CoilReading, DefectFrame, read_coil
from stripwatch.worker.dashboard.past.coil_source import CoilSource
from stripwatch.worker.dashboard.past.errors import NotOnKafkaError
from stripwatch.worker.dashboard.past.event_records import read_events
from stripwatch.worker.dashboard.past.jobs import Outcome, Watch
from stripwatch.worker.dashboard.past.kafka_extent import KafkaExtent, result_extent
from stripwatch.worker.dashboard.past.query import CoilQuery, CoilTarget, ShiftQuery
from stripwatch.worker.dashboard.past.summary_index import SummaryIndex
from stripwatch.worker.dashboard.shifts.shift_table import ShiftFigures, shift_figures
from stripwatch.worker.dashboard.shifts.shift_times import last_shifts
from stripwatch.worker.dashboard.state.history import History
from stripwatch.worker.dashboard.state.page_rules import page_rules
from stripwatch.worker.dashboard.state.strip_map import StripMap

_FRESH_S, _FRESH_ENDED_S = 5.0, 600.0
_STALE_MS = 3_600_000


class FoundCoils(msgspec.Struct, frozen=True):
    """The coils that a search found, oldest first.

    source: where they are from: the summaries of coils on Kafka, or the results. since: time from which the results
    were read, if the range has too many; null if all were read. summaries_until: time of the newest summary, if newer
    results are on Kafka by more than an hour; null otherwise.
    """

    coils: list[CoilSummary]
    source: Literal["summaries", "results"]
    kafka: KafkaExtent
    since: str | None = None
    summaries_until: str | None = None


class ShiftComparison(msgspec.Struct, frozen=True):
    """The figures of the last shifts, oldest first; the last one is running.

    time_zone: time zone of the shifts. lines: all lines with coils in these shifts, empty text for one without a name.
    source, kafka, since, summaries_until: as in FoundCoils.
    """

    shifts: list[ShiftFigures]
    time_zone: str
    lines: list[str]
    source: Literal["summaries", "results"]
    kafka: KafkaExtent
    since: str | None
    summaries_until: str | None


class RecentCoil(msgspec.Struct, frozen=True):
    """A coil that the page has in memory."""

    coil: CoilSummary
    first_frames_unread: bool
    map: StripMap


class PastCoils:
    """Searches Kafka. Its methods are the work of jobs, which run one at a time.

    picture: returns the address of a frame's picture. open_consumer: opens a consumer; by default one for Kafka.
    """

    def __init__(
        self,
        settings: Settings,
        history: History,
        picture: Callable[[DefectFrame], str],
        clock: Callable[[], float] = time.time,
        open_consumer: Callable[[], AbstractContextManager[KafkaConsumer]] | None = None,
    ) -> None:
        self._settings = settings
        self._history = history
        self._rules = page_rules(settings)
        self._picture = picture
        self._clock = clock
        self._open_consumer = open_consumer or (lambda: open_reader(client_config(settings, TOOLS_ID)))
        self._index = SummaryIndex(settings.topics.coils)

    def find(self, query: CoilQuery, watch: Watch) -> Outcome[FoundCoils]:
        """Find coils on Kafka, and those that the page has in memory."""
        with self._source(watch) as source:
            extent = self._extent(source)
            since = None
            if from_summaries := source.has_summaries and not query.results:
                found = source.summaries(query)
            else:
                found, since = source.scanned(query)
            live = [coil for coil in self._history.coils() if query.matches(coil)]
            return Outcome(
                FoundCoils(
                    merged(found, live),
                    "summaries" if from_summaries else "results",
                    extent,
                    since,
                    self._stale_since(extent) if from_summaries else None,
                ),
                fresh_s=_FRESH_S,
            )

    def recent(self, identity: str) -> RecentCoil | None:
        """Return a coil that the page has in memory, from any thread; None if it has none with this id."""
        found = self._history.coil(identity)
        return RecentCoil(found[0], found[2], found[1]) if found else None

    def extent(self, watch: Watch) -> Outcome[KafkaExtent]:
        """Return what Kafka still has."""
        with self._source(watch) as source:
            return Outcome(self._extent(source), fresh_s=_FRESH_S)

    def shifts(self, query: ShiftQuery, watch: Watch) -> Outcome[ShiftComparison]:
        """Compare the last shifts by the coils that ended in them."""
        view, now_ms = self._settings.view, round(self._clock() * 1000)
        shifts = last_shifts(now_ms, query.count, view.shifts, view.time_zone)
        found = self.find(CoilQuery(from_ms=shifts[0].start_ms), watch).value
        assert found is not None
        coils = [coil for coil in found.coils if query.matches(coil)]
        figures = shift_figures(shifts, coils, view.time_zone, now_ms, _complete_since_ms(found))
        return Outcome(
            ShiftComparison(
                shifts=figures,
                time_zone=view.time_zone,
                lines=sorted({coil.line or "" for coil in found.coils}),
                source=found.source,
                kafka=found.kafka,
                since=found.since,
                summaries_until=found.summaries_until,
            ),
            fresh_s=_FRESH_S,
        )

    def detail(self, target: CoilTarget, watch: Watch) -> Outcome[CoilDetail]:
        """Read the content of the report of a coil. Raises NotOnKafkaError."""
        with self._source(watch) as source:
            summary, where, is_cut = self._summary(source, target)
            events = read_events(source.consumer, source.ranges(summary), self._settings.topics.rejects, watch)
            reading = read_coil(events, summary, self._rules)
        if where == "results" and reading.log:
            summary = _complete(summary, reading)
        detail = coil_detail(
            summary, reading, where, is_cut, self._rules.grading, self._history.label_numbers(), self._picture
        )
        return Outcome(detail, fresh_s=_FRESH_ENDED_S if summary.ended else _FRESH_S)

    @contextmanager
    def _source(self, watch: Watch) -> Iterator[CoilSource]:
        with self._open_consumer() as consumer:
            yield CoilSource(self._settings, consumer, self._index, watch)

    def _summary(self, source: CoilSource, target: CoilTarget) -> tuple[CoilSummary, Source, bool]:
        """Return the summary of a coil, where it is from, and whether its first frames may be missing."""
        live = self._history.coil(target.id)
        if live and not live[2] and self._history.has_read:
            return live[0], "page", False
        if located := source.locate(target):
            summary, from_summaries = located
            return summary, "summaries" if from_summaries else "results", source.begins_cut(located)
        if live:
            return live[0], "page", True
        oldest = self._extent(source).oldest_result_at
        since = f"; its oldest result is from {oldest}" if oldest else ", which has no results"
        raise NotOnKafkaError(f"the coil {target.coil or target.id} is not on Kafka{since}")

    def _extent(self, source: CoilSource) -> KafkaExtent:
        extent, coils = result_extent(source.times), self._index.coils()
        return msgspec.structs.replace(
            extent,
            summaries=len(coils),
            oldest_coil_at=min((coil.first_captured_at for coil in coils), default=None),
            newest_coil_at=max((coil.last_captured_at for coil in coils), default=None),
        )

    def _stale_since(self, extent: KafkaExtent) -> str | None:
        """Return the time of the newest summary if `stripwatch coils` seems to have stopped since."""
        newest_ms = max(
            (parse_rfc3339(coil.last_captured_at) for coil in self._history.coils() if coil.ended), default=0
        )
        newest = extent.newest_coil_at
        return newest if newest and newest_ms - parse_rfc3339(newest) > _STALE_MS else None


def _complete_since_ms(found: FoundCoils) -> int | None:
    """Return the time from which all coils were found."""
    oldest = found.kafka.oldest_coil_at if found.source == "summaries" else found.since or found.kafka.oldest_result_at
    return parse_rfc3339(oldest) if oldest else None


def merged(found: list[CoilSummary], live: list[CoilSummary]) -> list[CoilSummary]:
    """Add the coils that the page has in memory, unless Kafka's search has found them or a longer part of them."""
    known: dict[tuple[str | None, str | None], list[tuple[str, str]]] = {}
    for coil in found:
        known.setdefault((coil.line, coil.coil), []).append((coil.first_captured_at, coil.last_captured_at))
    ids = {coil.id for coil in found}
    added = [
        coil
        for coil in live
        if coil.id not in ids
        and not any(
            first <= coil.last_captured_at and coil.first_captured_at <= last
            for first, last in known.get((coil.line, coil.coil), ())
        )
    ]
    return sorted([*found, *added], key=lambda coil: coil.first_captured_at)


def _complete(summary: CoilSummary, reading: CoilReading) -> CoilSummary:
    """Return the summary of a reading with its lists. summary: the same coil as the search found it."""
    assert reading.log is not None
    reading.log.expected = summary.cameras.keys()
    made = reading.log.summary(summary.ended, summary.revision)
    return msgspec.structs.replace(made, id=summary.id, offsets=summary.offsets, supplement=summary.supplement)
