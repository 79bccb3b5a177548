"""Frames, as they arrive on Kafka: encoded image or raw buffer, and the values of the headers."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from stripwatch.worker.contracts import header_names
from stripwatch.worker.contracts.frame_info import StripDirection
from stripwatch.worker.contracts.positions import DiscardedValue, Position, Record
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.contracts.record_fields import RecordFields
from stripwatch.worker.contracts.timestamps import is_capture_time

_HEADERS_MAX, _HEADER_BYTES_MAX = 64, 16_384
KEY_BYTES_MAX = 1024
_RECORD_TIME = "timestamp"  # in `faults`: the record's own time, which is not a header


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. A field whose header is missing or malformed is None; `faults` names the malformed headers.

    Attributes:
        id: Id of the frame's result.
        position: Position of the record on Kafka.
        encoded: Image file or raw buffer; empty if `discarded` is set.
        camera: Name of the camera, percent-decoded.
        line: `source` without its last part, percent-decoded, such as `/plant/hot-rolling/line-1`.
        coil: Id of the coil.
        strip_position_mm: Start of the frame on the coil, in millimetres.
        timestamp_ms: Time of the record, unchanged, in milliseconds since 1970.
        captured_ms: Time of the exposure, in milliseconds since 1970.
        received_s: Time on the monotonic clock at which the frame entered the worker, in seconds.
        traceparent: W3C trace context.
        file: Path of the file, if the frame was read from a folder.
        key: Key of the record, for a reject. A longer key is cut to KEY_BYTES_MAX + 1 bytes.
        headers: Headers of the record, for a reject; None if they were too many or too large to keep.
        faults: Names of the malformed headers.
        replay_of: Id of the first reject, if the frame was sent again.
        discarded: Size of the value and reason, if it was too large to keep or could not be read.
        source: `ce_source`, unchanged; every event of the frame carries it.
        layout: Format of a raw buffer; None for an image file.
        block_id: The camera's own frame count.
        strip_direction: Direction in which the strip ran during the exposure.
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
        """Time of the record, which Kafka accepted once, in milliseconds since 1970; -1 if it is not plausible."""
        return -1 if _RECORD_TIME in self.faults else self.timestamp_ms

    @property
    def sent_bytes(self) -> int:
        """Size of the frame's value on Kafka, in bytes."""
        return len(self.encoded) if self.discarded is None else self.discarded.size_bytes


def read_record(record: Record, cluster: str, received_s: float, now_ms: int | None = None) -> Frame:
    """Convert a record into a frame. Never raises, whatever the sender wrote.

    The camera is the record's key, else the last part of `ce_source`, else topic and partition. The capture time is
    `ce_time`, else the time of the record, else now_ms (default: the time of this host). A time before 2000 or a day or
    more ahead is a fault: it is in seconds or microseconds instead of milliseconds, or the clock was never set.
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
        headers=_small_headers(record.headers),
        layout=fields.raw_layout(),
        block_id=fields.integer(header_names.BLOCK_ID, smallest=0),
        strip_direction=fields.direction(header_names.STRIP_DIRECTION),
        faults=tuple(fields.faults),  # last, because reading a field may add a fault
        discarded=record.value if isinstance(record.value, DiscardedValue) else None,
        source=source.uri,
    )


def _small_headers(headers: Sequence[tuple[str, bytes | None]]) -> tuple[tuple[str, bytes], ...] | None:
    """Return the headers if they are few and small, because the in-flight limit does not count them; else None."""
    if len(headers) > _HEADERS_MAX or sum(len(name) + len(value or b"") for name, value in headers) > _HEADER_BYTES_MAX:
        return None
    return tuple((name, value) for name, value in headers if value is not None)


def event_id(position: Position, timestamp_ms: int, cluster: str) -> str:
    """Return the id of a frame's result. It depends only on the record, so a reader can drop repeated results.

    Topic, partition and offset distinguish the frames of a topic. The suffix, a digest of the cluster id and the
    record's time, distinguishes a recreated topic from the previous one.
    """
    end = hashlib.sha256(f"{cluster}/{timestamp_ms}".encode()).hexdigest()[:8]
    return f"{position}-{end}"
