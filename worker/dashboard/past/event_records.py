"""The results and rejects in ranges of records, in the order of their time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer

from stripwatch.worker.broker.consumers import position_of
from stripwatch.worker.broker.time_ordered_reader import Timed, TimeOrderedReader
from stripwatch.worker.coils.tracking.coil_part import EventSource
from stripwatch.worker.coils.tracking.observations import (
    Observation,
    observation_from_reject,
    observation_from_result,
    read_result,
)
from stripwatch.worker.contracts.events import Result
from stripwatch.worker.contracts.positions import Partition, Position
from stripwatch.worker.contracts.replay_mark import replayed_id
from stripwatch.worker.dashboard.past.jobs import Watch
from stripwatch.worker.dashboard.past.ranges import RangeReader, Ranges


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A result or reject. result: None for a reject. timestamp_ms: time at which it was written."""

    observation: Observation
    result: Result | None
    position: Position
    timestamp_ms: int

    @property
    def source(self) -> EventSource:
        return EventSource(Partition(self.position.topic, self.position.partition), self.position.offset)


def read_events(
    consumer: KafkaConsumer, ranges: Ranges, rejects_topic: str, watch: Watch
) -> Iterator[Timed[EventRecord]]:
    """Yield the events. Records that are neither result nor reject are skipped, since any client may write them.

    Raises BrokerUnavailableError and HistoryError.
    """
    source = RangeReader(consumer, ranges)
    reader = TimeOrderedReader(source, lambda record: _event(record, rejects_topic))
    while not reader.is_caught_up:
        watch.step(source.read, source.total)
        for now_s, event in reader.poll():
            if event is not None:
                yield Timed(now_s, event)


def _event(record: Any, rejects_topic: str) -> EventRecord | None:
    if replayed_id(record.value, record.headers):
        return None  # the outcome follows as the result of the replayed frame
    result, observation = None, None
    if record.topic == rejects_topic:
        observation = observation_from_reject(record.key, record.headers, record.timestamp)
    elif (result := read_result(record.value)) is not None:
        observation = observation_from_result(result, record.timestamp)
    return EventRecord(observation, result, position_of(record), record.timestamp) if observation else None
