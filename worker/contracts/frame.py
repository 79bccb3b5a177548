"""A frame, still encoded, with what its sender said of it: the record of a camera turned into a valid object."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from stripwatch.worker.contracts.positions import DiscardedValue, Position, Record

_NAME_CHARS_MAX = 200
REPLAY_OF = "stripwatch_replay_of"  # on a frame that was sent again: the id of the reject that was sent first
_HEADERS_MAX, _HEADER_BYTES_MAX = 64, 16_384
KEY_BYTES_MAX = 1024
_TIME_MS_MAX = 253_402_300_799_999  # the end of the year 9999: RFC 3339 and datetime know none later
_SAFE_INTEGER_MAX = 2**53 - 1  # what every JSON reader can hold
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. What the sender did not say, or said in a way that cannot be read, is None and named in `faults`.

    line: the sender's path without the camera, as `/plant/hot-rolling/line-1`.
    timestamp_ms: of the record. received_s: of the monotonic clock, when the frame entered the worker.
    replay_of: of a frame that was sent again, the id of its first reject.
    key, headers: as they came, for a reject; headers are None where they were too many or too large to keep, and of a
    key over KEY_BYTES_MAX there is one byte more than that.
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

    @property
    def sent_bytes(self) -> int:
        """The size that the frame had on Kafka."""
        return len(self.encoded) if self.discarded is None else self.discarded.size_bytes


def read_record(record: Record, cluster: str, received_s: float) -> Frame:
    """Turn any record into a frame; nothing that a sender wrote can make this fail.

    camera: the key, else the last part of ce_source, else topic and partition.
    captured_ms: ce_time, else the time of the record, which is clamped to the years 1970 to 9999.
    """
    fields = _Fields({name: value for name, value in record.headers if value is not None})
    line, source_camera = _split_source(fields.text("ce_source"))
    captured_ms = fields.time_ms("ce_time")
    camera = fields.name("key", record.key) or source_camera or f"{record.position.topic}-{record.position.partition}"
    return Frame(
        id=event_id(record.position, record.timestamp_ms, cluster),
        position=record.position,
        encoded=record.value or b"",
        camera=camera,
        line=line,
        coil=fields.text("ce_subject"),
        strip_position_mm=fields.integer("ce_strippositionmm"),
        timestamp_ms=record.timestamp_ms,
        captured_ms=min(max(record.timestamp_ms, 0), _TIME_MS_MAX) if captured_ms is None else captured_ms,
        received_s=received_s,
        traceparent=fields.traceparent("traceparent"),
        replay_of=fields.text(REPLAY_OF),
        key=record.key and record.key[: KEY_BYTES_MAX + 1],
        headers=_kept(record.headers),
        faults=tuple(fields.faults),
        discarded=record.value if isinstance(record.value, DiscardedValue) else None,
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


class _Fields:
    """The headers of one record, read one by one; a value that is there but malformed is noted in `faults`."""

    def __init__(self, headers: dict[str, bytes]) -> None:
        self._headers = headers
        self.faults: list[str] = []

    def name(self, field: str, value: bytes | None) -> str | None:
        """UTF-8 text of 1 to 200 characters without control characters."""
        if not value:
            return None
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = ""
        if not 0 < len(text) <= _NAME_CHARS_MAX or not text.isprintable():
            self.faults.append(field)
            return None
        return text

    def text(self, header: str) -> str | None:
        return self.name(header, self._headers.get(header))

    def integer(self, header: str) -> int | None:
        text = self.text(header)
        if text is None:
            return None
        if not re.fullmatch(r"-?[0-9]{1,16}", text, re.ASCII) or abs(int(text)) > _SAFE_INTEGER_MAX:
            self.faults.append(header)
            return None
        return int(text)

    def time_ms(self, header: str) -> int | None:
        """RFC 3339 with an offset, in milliseconds since 1970."""
        text = self.text(header)
        if text is None:
            return None
        try:
            time = datetime.fromisoformat(text)
            if time.tzinfo is None:
                raise ValueError("a time without an offset says nothing")
            time_ms = round(time.timestamp() * 1000)
            if not 0 <= time_ms <= _TIME_MS_MAX:
                raise ValueError("no camera took a frame then")
            return time_ms
        except (ValueError, OverflowError):
            self.faults.append(header)
            return None

    def traceparent(self, header: str) -> str | None:
        text = self.text(header)
        if text is None or _TRACEPARENT.fullmatch(text):
            return text
        self.faults.append(header)
        return None


def _split_source(source: str | None) -> tuple[str | None, str | None]:
    """`/site/area/line/camera` as line and camera."""
    line, _, camera = (source or "").rstrip("/").rpartition("/")
    return line or None, camera or None
