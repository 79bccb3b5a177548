"""Headers of the records that the worker writes: CloudEvents, and the origin of the frame for copies of frames."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from stripwatch.worker.common.described_enum import list_values
from stripwatch.worker.contracts import header_names
from stripwatch.worker.contracts.camera_source import make_source
from stripwatch.worker.contracts.events import UnsureReason
from stripwatch.worker.contracts.frame import KEY_BYTES_MAX, Frame
from stripwatch.worker.contracts.header_names import ORIGINAL_PREFIX, OWN_PREFIX
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.contracts.timestamps import rfc3339

Headers = list[tuple[str, bytes]]
JSON = "application/json"
T = TypeVar("T", bound=msgspec.Struct)

ANOMALY = "anomaly"
# A defect of an anomaly model has no class: only a person can name it.
REVIEW_REASONS: dict[str, str] = {
    **{reason.value: reason.description for reason in UnsureReason},
    ANOMALY: "An anomaly model reports a defect, which has no class yet.",
}
# Reasons of frames whose predicted label means little.
NAMELESS = frozenset({UnsureReason.NOVEL.value, ANOMALY})


class RejectHeaders(msgspec.Struct, frozen=True):
    """Headers that state why a frame was rejected. Header names are the field names with a prefix."""

    reason: Annotated[str, Meta(description="Why the frame was rejected, as `reason` of a reject event.")]
    detail: Annotated[str, Meta(description="Sentence for a person: what exactly is wrong with the frame.")]
    bytes: Annotated[int, Meta(description="Size of the frame's value on Kafka, in bytes.")]
    bytes_kept: Annotated[
        int,
        Meta(
            description="Number of bytes that this record holds of the value; fewer than `stripwatch_bytes` where the "
            "value exceeded a limit or could not be read."
        ),
    ]


class ReviewHeaders(msgspec.Struct, frozen=True):
    """Prediction of the model for a frame that a person will label."""

    event_id: Annotated[str, Meta(description="Id of the frame's result.")]
    label: Annotated[str, Meta(description="Label with the highest score.")]
    score: Annotated[float, Meta(description="Calibrated score of that label, 0 to 1.")]
    scores: Annotated[str, Meta(description="JSON object with the calibrated score of each label.")]
    model_name: Annotated[str, Meta(description="Name of the bundle.")]
    model_version: Annotated[str, Meta(description="Version of the bundle.")]
    model_sha256: Annotated[str, Meta(description="SHA-256 of the bundle.")]
    reason: Annotated[
        str | None,
        Meta(
            description="Why a person should look at the frame; absent on corrections of certain frames, and on "
            f"records of versions before this header existed. {list_values(REVIEW_REASONS)}"
        ),
    ] = None
    novelty: Annotated[
        float | None, Meta(description="Novelty score of the frame; absent if the bundle has no novelty detector.")
    ] = None
    novelty_threshold: Annotated[
        float | None, Meta(description="Novelty score above which a frame is novel; absent where `novelty` is.")
    ] = None
    boxes: Annotated[
        str | None,
        Meta(
            description="JSON array of the boxes that the model found, each with `label`, `score` and `box_px` as in "
            "`candidates` or `defects` of the result; absent if there are none, and on records of versions before this "
            "header existed."
        ),
    ] = None
    no_defect: Annotated[
        str | None,
        Meta(
            description='Label that means "no defect"; absent if the bundle has none, and on records of versions '
            "before this header existed."
        ),
    ] = None


class OriginHeaders(msgspec.Struct, frozen=True):
    """Position and time of the frame's own record."""

    topic: Annotated[str, Meta(description="Topic of the frame.")]
    partition: Annotated[int, Meta(description="Partition of the frame.")]
    offset: Annotated[int, Meta(description="Offset of the frame.")]
    timestamp_ms: Annotated[int, Meta(description="Time of the frame's record, in milliseconds since 1970.")]


@dataclass(frozen=True, slots=True)
class FrameCopy(Generic[T]):
    """A record that carries the bytes of a frame: a reject or a review frame.

    Attributes:
        id: Id of the event.
        own: Headers of this kind of copy.
        original: Record of the frame, as the camera sent it.
        whole: False if the key or the headers of the frame were too large to keep.
    """

    id: str
    own: T
    original: Record
    whole: bool


def event_type(kind: str) -> str:
    """Return the CloudEvents type of a kind of event, such as "stripwatch.result.v1"."""
    return f"stripwatch.{kind}.v1"


def cloudevent_headers(
    identity: str, source: str, kind: str, time: str, subject: str | None, content_type: str = JSON
) -> Headers:
    """Return the headers of an event (CloudEvents Kafka binding 1.0, binary mode)."""
    headers = [
        (header_names.SPECVERSION, b"1.0"),
        (header_names.ID, identity.encode()),
        (header_names.SOURCE, source.encode()),
        (header_names.TYPE, event_type(kind).encode()),
        (header_names.TIME, time.encode()),
        (header_names.CONTENT_TYPE, content_type.encode()),
    ]
    if subject is not None:
        headers.append((header_names.SUBJECT, subject.encode()))
    return headers


def event_headers(frame: Frame, kind: str, content_type: str = JSON) -> Headers:
    """Return the headers of an event about a frame.

    `ce_time` is the capture time. `ce_source` is that of the camera, byte for byte, or is made from line and camera if
    the camera sent none. The id of a result or reject is that of the frame. Other events get an ending, such as
    `-defect`, and carry the id of the result in the body or in a header.
    """
    identity = frame.id if kind in ("result", "reject") else f"{frame.id}-{kind}"
    source = frame.source or make_source(frame.line, frame.camera)
    headers = cloudevent_headers(identity, source, kind, rfc3339(frame.captured_ms), frame.coil, content_type)
    if frame.strip_position_mm is not None:
        headers.append((header_names.STRIP_POSITION_MM, str(frame.strip_position_mm).encode()))
    if frame.strip_direction is not None:
        headers.append((header_names.STRIP_DIRECTION, frame.strip_direction.encode()))
    if frame.traceparent is not None:
        headers.append((header_names.TRACEPARENT, frame.traceparent.encode()))
    return headers


def frame_copy_headers(frame: Frame, kind: str, content_type: str, own: RejectHeaders | ReviewHeaders) -> Headers:
    """Return the headers of a record that carries the bytes of a frame.

    They are the headers of the event, those of this kind of copy that are not None, the original position, time and
    key, and the headers that the camera sent, each with a prefix. Headers or a key that were too large to keep are left
    out, which a separate header states.
    """
    origin = OriginHeaders(*frame.position, frame.timestamp_ms)
    stated = msgspec.structs.asdict(own) | msgspec.structs.asdict(origin)
    headers = event_headers(frame, kind, content_type)
    headers += [(OWN_PREFIX + name, str(value).encode()) for name, value in stated.items() if value is not None]
    if frame.key is not None:
        kept = len(frame.key) <= KEY_BYTES_MAX
        headers.append((header_names.KEY, frame.key) if kept else (header_names.KEY_DROPPED, b"1"))
    if frame.headers is None:
        headers.append((header_names.HEADERS_DROPPED, b"1"))
    headers += [(ORIGINAL_PREFIX + name, value) for name, value in frame.headers or ()]
    return headers


def read_frame_copy(record: Record, kind: type[T]) -> FrameCopy[T]:
    """Parse the headers written by `frame_copy_headers`. Raises ValueError if a header is missing or malformed."""
    headers = {name: value or b"" for name, value in record.headers}
    own, origin = _read(headers, kind), _read(headers, OriginHeaders)
    if header_names.ID not in headers:
        raise ValueError(f"it has no header '{header_names.ID}'")
    original = Record(
        position=Position(origin.topic, origin.partition, origin.offset),
        timestamp_ms=origin.timestamp_ms,
        key=headers.get(header_names.KEY),
        value=record.value,
        headers=original_headers(record.headers),
    )
    whole = not {header_names.HEADERS_DROPPED, header_names.KEY_DROPPED} & headers.keys()
    return FrameCopy(headers[header_names.ID].decode(), own, original, whole)


def _read(headers: dict[str, bytes], kind: type[T]) -> T:
    try:
        stated = {
            field.name: headers[OWN_PREFIX + field.name].decode()
            for field in msgspec.structs.fields(kind)
            if field.required or OWN_PREFIX + field.name in headers
        }
        return msgspec.convert(stated, kind, strict=False)
    except KeyError as error:
        raise ValueError(f"it has no header {error}") from error
    except msgspec.ValidationError as error:
        what = str(error).replace("$.", OWN_PREFIX)  # a field of the struct is a header without its prefix
        raise ValueError(f"it has a malformed header: {what}") from error


def original_headers(headers: Iterable[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
    """Return the headers that the camera sent, from the headers written by `frame_copy_headers`."""
    return [(name.removeprefix(ORIGINAL_PREFIX), value) for name, value in headers if name.startswith(ORIGINAL_PREFIX)]
