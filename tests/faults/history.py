"""What lies on the topics, as a reader of committed records finds it, in the judge's words."""

import json
import time
from typing import Any, Literal

from kafka import KafkaConsumer, TopicPartition

from stripwatch.worker.config.sections import Topics
from tests.brokers.handle import BrokerHandle
from tests.faults.judge import Outcome, Place, SentFrame
from tests.faults.plan import Plan, reason
from tests.tiny import LABELS

KINDS: dict[Literal["result", "defect", "reject"], str] = {
    "result": "results",
    "defect": "defects",
    "reject": "rejects",
}
READ_S_MAX = 60.0
NUMBER = "ce_id"  # the header of a frame that has its number


class HistoryError(Exception):
    """A topic cannot be read to its end: a transaction was left open, or the broker is gone."""


def read_frames(handle: BrokerHandle, topic: str, plan: Plan) -> list[SentFrame]:
    """What was sent, with the places that the broker gave it."""
    frames = []
    for record in read_topic(handle, topic):
        number = int(dict(record.headers)[NUMBER])
        frames.append(SentFrame(place_of(record), number, record.value or b"", reason(plan, number)))
    return frames


def read_outcomes(handle: BrokerHandle, topics: Topics) -> list[Outcome]:
    """Every result, defect and reject."""
    return [
        outcome_of(kind, record) for kind, name in KINDS.items() for record in read_topic(handle, getattr(topics, name))
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


def outcome_of(kind: Literal["result", "defect", "reject"], record: Any) -> Outcome:
    at, frame, headers = place_of(record), frame_of(record), dict(record.headers)
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


def place_of(record: Any) -> Place:
    return Place(record.partition, record.offset)


def frame_of(record: Any) -> Place:
    """The place of the frame that a result, defect or reject is about."""
    headers = dict(record.headers)
    if "stripwatch_reason" in headers:
        return Place(int(headers["stripwatch_partition"]), int(headers["stripwatch_offset"]))
    frame = json.loads(record.value)["frame"]
    return Place(frame["partition"], frame["offset"])
