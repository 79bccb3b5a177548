"""What lies on the topics, as a reader of committed records finds it, in the judge's words."""

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
    """A topic cannot be read to its end: a transaction was left open, or the broker is gone."""


def read_outcomes(handle: BrokerHandle, topics: Topics, ledger: Ledger) -> list[Outcome]:
    """Every result, defect and reject."""
    return [
        outcome_of(kind, record, ledger)
        for kind, name in KINDS.items()
        for record in read_topic(handle, getattr(topics, name))
        if not replayed_id(record.value, record.headers)
    ]


def read_topic(handle: BrokerHandle, topic: str) -> list[Any]:
    """Its committed records, as kafka-python has them. Raises HistoryError where the end cannot be reached."""
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
    """Read a topic from its start; where it ends, open transactions included."""
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
    """The place of the frame that a result, defect or reject is about."""
    headers = dict(record.headers)
    trace = headers.get(TRACE)
    number = read_trace(trace) if trace else None
    if "stripwatch_reason" in headers:
        return ledger.place(int(headers["stripwatch_partition"]), int(headers["stripwatch_offset"]), number)
    frame = json.loads(record.value)["frame"]
    return ledger.place(frame["partition"], frame["offset"], number)


def trace(number: int) -> tuple[str, bytes]:
    """A header of a frame, which the worker passes through: it tells the frame, whatever its topic was."""
    return TRACE, f"00-{number + 1:032x}-{1:016x}-01".encode()


def read_trace(value: bytes) -> int:
    return int(value.split(b"-")[1], 16) - 1
