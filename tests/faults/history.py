"""Read the committed records of all topics and convert them for the judge."""

import json
import time
from typing import Any, Literal

from kafka import KafkaConsumer, TopicPartition

from stripwatch.worker.config.sections import Topics
from stripwatch.worker.contracts.replay_mark import replayed_id
from tests.brokers.handle import BrokerHandle
from tests.faults.judge import Outcome, Place
from tests.faults.ledger import Ledger
from tests.tiny import LABELS

KINDS: dict[Literal["result", "defect", "reject"], str] = {
    "result": "results",
    "defect": "defects",
    "reject": "rejects",
}
READ_S_MAX = 60.0
TRACE = "traceparent"


class HistoryError(Exception):
    """A topic cannot be read to its end, because a transaction is open or the broker is unavailable."""


def read_outcomes(handle: BrokerHandle, topics: Topics, ledger: Ledger) -> list[Outcome]:
    """Return every result, defect event and reject."""
    return [
        outcome_of(kind, record, ledger)
        for kind, name in KINDS.items()
        for record in read_topic(handle, getattr(topics, name))
        if not replayed_id(record.value, record.headers)
    ]


def read_topic(handle: BrokerHandle, topic: str) -> list[Any]:
    """Return a topic's committed records from kafka-python. Raises HistoryError if the end cannot be reached."""
    records: list[Any] = []
    deadline_s = time.monotonic() + READ_S_MAX
    with handle.consumer(isolation_level="read_committed") as consumer:
        ends = assign_whole(consumer, topic)
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            if time.monotonic() > deadline_s:
                raise HistoryError(f"{topic} cannot be read to its end within {READ_S_MAX:g} s: {ends}")
            for batch in consumer.poll(timeout_ms=100).values():
                records += batch
    return records


def assign_whole(consumer: KafkaConsumer, topic: str) -> dict[TopicPartition, int]:
    """Assign a whole topic from its start, and return its end offsets, including open transactions."""
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    consumer.seek_to_beginning()
    ends: dict[TopicPartition, int] = consumer.end_offsets(partitions)
    return ends


def outcome_of(kind: Literal["result", "defect", "reject"], record: Any, ledger: Ledger) -> Outcome:
    at, frame, headers = Place(record.partition, record.offset), frame_of(record, ledger), dict(record.headers)
    if kind == "reject":
        why = headers["stripwatch_reason"].decode()
        return Outcome(kind, at, frame, headers["ce_id"].decode(), reason=why, encoded=record.value or b"")
    event = json.loads(record.value)
    return Outcome(
        *(kind, at, frame, headers["ce_id"].decode()),
        model=event["model"]["sha256"],
        label=event["label"],
        scores=tuple(event["scores"].get(label, -1.0) for label in LABELS),
        defects=len(event["defects"]),
    )


def frame_of(record: Any, ledger: Ledger) -> Place:
    """Return the place of the frame of a result, defect event or reject."""
    headers = dict(record.headers)
    trace = headers.get(TRACE)
    number = read_trace(trace) if trace else None
    if "stripwatch_reason" in headers:
        return ledger.place(int(headers["stripwatch_partition"]), int(headers["stripwatch_offset"]), number)
    frame = json.loads(record.value)["frame"]
    return ledger.place(frame["partition"], frame["offset"], number)


def trace(number: int) -> tuple[str, bytes]:
    """Return a trace header, which the worker copies to events. It identifies the frame on any topic."""
    return TRACE, f"00-{number + 1:032x}-{1:016x}-01".encode()


def read_trace(value: bytes) -> int:
    return int(value.split(b"-")[1], 16) - 1
