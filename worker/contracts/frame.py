"""A frame, still encoded or raw, with what its sender said of it: the record of a camera turned into a valid object."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from stripwatch.worker.contracts import header_names
from stripwatch.worker.contracts.events import StripDirection
from stripwatch.worker.contracts.positions import DiscardedValue, Position, Record
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.contracts.record_fields import RecordFields
from stripwatch.worker.contracts.timestamps import is_capture_time

_HEADERS_MAX, _HEADER_BYTES_MAX = 64, 16_384
KEY_BYTES_MAX = 1024
_RECORD_TIME = "timestamp"  # in `faults`: the record's own time, which is not a header


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. What the sender did not say, or said in a way that cannot be read, is None and named in `faults`.

    camera, line: names for people, percent-decoded; a line is the source without its last part, as
    `/plant/hot-rolling/line-1`. source: ce_source as it came, which every event of the frame carries.
    timestamp_ms: of the record, as it came. received_s: of the monotonic clock, when the frame entered the worker.
    replay_of: of a frame that was sent again, the id of its first reject.
    key, headers: as they came, for a reject; headers are None where they were too many or too large to keep, and of a
    key over KEY_BYTES_MAX there is one byte more than that.
    layout: of a raw buffer; None for an image file. block_id: the camera's own count of its frames.
    strip_direction: how the strip ran while the frame was taken.
    discarded: where the bytes were too many to be kept, or could not be read; then `encoded` is empty.
    """

    id: str
    position: Position
    encoded: bytes
    camera: str
    line: str | None
    coil: str | None
    strip_position_mm: int | None
    timestamp_ms: int
    captured_ms: int
    received_s: float
    traceparent: str | None = None
    file: str | None = None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] | None = ()
    faults: tuple[str, ...] = ()
    replay_of: str | None = None
    discarded: DiscardedValue | None = None
    source: str | None = None
    layout: RawLayout | None = None
    block_id: int | None = None
    strip_direction: StripDirection | None = None

    @property
    def record_ms(self) -> int:
        """The time of the record, which Kafka has accepted once; -1 where it cannot be the time of a frame."""
        return -1 if _RECORD_TIME in self.faults else self.timestamp_ms

    @property
    def sent_bytes(self) -> int:
        """The size that the frame had on Kafka."""
        return len(self.encoded) if self.discarded is None else self.discarded.size_bytes


def read_record(record: Record, cluster: str, received_s: float, now_ms: int | None = None) -> Frame:
    """Turn any record into a frame; nothing that a sender wrote can make this fail.

    camera: the key, else the last part of ce_source, else topic and partition.
    captured_ms: ce_time, else the time of the record, else now_ms, which is this host's time unless it is given. A time
    before 2000 or more than a day ahead is a fault: seconds or microseconds in place of milliseconds, or a clock that
    was never set.
    """
    fields = RecordFields.of(record.headers)
    now_ms = round(time.time() * 1000) if now_ms is None else now_ms
    source = fields.source(header_names.SOURCE)
    captured_ms = fields.capture_ms(header_names.TIME, now_ms)
    record_ms = record.timestamp_ms if is_capture_time(record.timestamp_ms, now_ms) else None
    if record_ms is None:
        fields.faults.append(_RECORD_TIME)
    camera = fields.name("key", record.key) or source.camera or f"{record.position.topic}-{record.position.partition}"
    return Frame(
        id=event_id(record.position, record.timestamp_ms, cluster),
        position=record.position,
        encoded=record.value or b"",
        camera=camera,
        line=source.line,
        coil=fields.text(header_names.SUBJECT),
        strip_position_mm=fields.strip_position_mm(header_names.STRIP_POSITION_MM),
        timestamp_ms=record.timestamp_ms,
        captured_ms=next(known for known in (captured_ms, record_ms, now_ms) if known is not None),
        received_s=received_s,
        traceparent=fields.traceparent(header_names.TRACEPARENT),
        replay_of=fields.text(header_names.REPLAY_OF),
        key=record.key and record.key[: KEY_BYTES_MAX + 1],
        headers=_kept(record.headers),
        layout=fields.raw_layout(),
        block_id=fields.integer(header_names.BLOCK_ID, smallest=0),
        strip_direction=fields.direction(header_names.STRIP_DIRECTION),
        faults=tuple(fields.faults),  # after every field was read
        discarded=record.value if isinstance(record.value, DiscardedValue) else None,
        source=source.uri,
    )


def _kept(headers: Sequence[tuple[str, bytes | None]]) -> tuple[tuple[str, bytes], ...] | None:
    """The headers, where they are few and small: the in-flight limit does not count them."""
    if len(headers) > _HEADERS_MAX or sum(len(name) + len(value or b"") for name, value in headers) > _HEADER_BYTES_MAX:
        return None
    return tuple((name, value) for name, value in headers if value is not None)


def event_id(position: Position, timestamp_ms: int, cluster: str) -> str:
    """The id of a frame's result: the same whenever the same record is inspected, so a reader can drop a repeat.

    Topic, partition and offset tell frames of one topic apart. The end, from the cluster and the record's time, tells
    a recreated topic from the one before it.
    """
    end = hashlib.sha256(f"{cluster}/{timestamp_ms}".encode()).hexdigest()[:8]
    return f"{position}-{end}"
