"""The coil summaries on Kafka, without their long lists, so that coils are found without reading the results."""

from collections import OrderedDict
from typing import Any, NamedTuple

import msgspec
from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from stripwatch.worker.broker.connection import broker_errors
from stripwatch.worker.broker.consumers import position_of
from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.contracts.timestamps import parse_rfc3339
from stripwatch.worker.dashboard.past.jobs import Watch
from stripwatch.worker.dashboard.past.ranges import OffsetRange, RangeReader, RecordTimes, assign_only

SUMMARIES_MAX = 20_000
_FETCH_S = 5.0
_decode = msgspec.json.Decoder(CoilSummary).decode


class IndexedCoil(NamedTuple):
    """A summary without its lists of defects and gaps, and its record."""

    summary: CoilSummary
    position: Position


class SummaryIndex:
    """The newest summary of each coil on the topic of coils. Used by one thread.

    The first call reads the topic, later calls only what is new.
    """

    def __init__(self, topic: str, summaries_max: int = SUMMARIES_MAX) -> None:
        self._topic = topic
        self._summaries_max = summaries_max
        self._coils: OrderedDict[str, IndexedCoil] = OrderedDict()
        self._next: dict[TopicPartition, int] = {}

    def refresh(self, consumer: KafkaConsumer, watch: Watch) -> None:
        """Read the new summaries, and forget those whose records were deleted.

        Raises BrokerUnavailableError and HistoryError. What was read before is kept, so the next call continues.
        """
        times = RecordTimes(consumer, [self._topic])
        if any(offset > times.ends.get(tp, -1) for tp, offset in self._next.items()):
            self._coils.clear()  # the topic was recreated
            self._next.clear()
        self._drop_deleted(times.begins)
        share = self._summaries_max // max(1, len(times.ends))
        ranges = {
            tp: OffsetRange(max(self._next.get(tp, 0), times.begins[tp], end - share), end)
            for tp, end in times.ends.items()
        }
        reader = RangeReader(consumer, ranges)
        while reader.caught_up_at_s is None:
            watch.step(reader.read, reader.total)
            for record in reader.poll():
                self._add(record)
                self._next[TopicPartition(record.topic, record.partition)] = record.offset + 1
        self._next |= {tp: at.end for tp, at in ranges.items()}

    def coils(self) -> list[CoilSummary]:
        """Return the summaries, without their lists, in the order in which they were written."""
        return [coil.summary for coil in self._coils.values()]

    def position(self, identity: str) -> Position | None:
        """Return the record of a coil's newest summary; None if there is none."""
        found = self._coils.get(identity)
        return found.position if found else None

    def _add(self, record: Any) -> None:
        try:
            summary = _decode(record.value or b"")
            parse_rfc3339(summary.first_captured_at), parse_rfc3339(summary.last_captured_at)
        except (msgspec.DecodeError, ValueError):
            return  # any client may write to the topic
        known = self._coils.pop(summary.id, None)
        if known and known.summary.revision > summary.revision:
            self._coils[summary.id] = known
            return
        self._coils[summary.id] = IndexedCoil(without_lists(summary), position_of(record))
        while len(self._coils) > self._summaries_max:
            self._coils.popitem(last=False)

    def _drop_deleted(self, begins: dict[TopicPartition, int]) -> None:
        for identity, (_, position) in list(self._coils.items()):
            if position.offset < begins.get(TopicPartition(position.topic, position.partition), 0):
                del self._coils[identity]


def without_lists(summary: CoilSummary) -> CoilSummary:
    """Return a summary without its lists of defects and gaps, which can be long. Their totals remain."""
    return msgspec.structs.replace(summary, strip_defects=[], gaps=[])


def fetch_summary(consumer: KafkaConsumer, position: Position) -> CoilSummary | None:
    """Return the summary in a record; None if the record was deleted. Raises BrokerUnavailableError."""
    partition = TopicPartition(position.topic, position.partition)
    with broker_errors(consumer):
        assign_only(consumer, [partition])
        consumer.seek(partition, position.offset)
        found = consumer.poll(timeout_ms=round(1000 * _FETCH_S), max_records=1).get(partition, [])
    record = next((record for record in found if record.offset == position.offset), None)
    return _decode(record.value) if record and record.value else None
