"""The headers of every record that comes of a frame: CloudEvents, and where the frame itself came from."""

from collections.abc import Iterable, Mapping
from typing import Any

from stripwatch.worker.contracts.camera_source import make_source
from stripwatch.worker.contracts.frame import KEY_BYTES_MAX, REPLAY_OF, Frame
from stripwatch.worker.contracts.timestamps import rfc3339

__all__ = [
    "HEADERS_DROPPED",
    "KEY_DROPPED",
    "ORIGINAL_PREFIX",
    "REPLAYS",
    "REPLAY_OF",
    "Headers",
    "event_headers",
    "frame_copy_headers",
    "original_headers",
]
Headers = list[tuple[str, bytes]]
ORIGINAL_PREFIX = "original."  # before the name of each header that the camera sent
HEADERS_DROPPED, KEY_DROPPED = "stripwatch_headers_dropped", "stripwatch_key_dropped"


def event_headers(frame: Frame, kind: str, content_type: bytes = b"application/json") -> Headers:
    """CloudEvents Kafka binding 1.0, binary mode. ce_time is the capture: that is when the strip was so.

    ce_source is the camera's own, byte for byte; a camera that sent none gets one made of its name.

    What else comes of a frame beside its result or its reject is an event of its own, so its id has an ending; inside
    each, or in a header, is the id of the result.
    """
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", (frame.id if kind in ("result", "reject") else f"{frame.id}-{kind}").encode()),
        ("ce_source", (frame.source or make_source(frame.line, frame.camera)).encode()),
        ("ce_type", f"stripwatch.{kind}.v1".encode()),
        ("ce_time", rfc3339(frame.captured_ms).encode()),
        ("content-type", content_type),
    ]
    if frame.coil is not None:
        headers.append(("ce_subject", frame.coil.encode()))
    if frame.strip_position_mm is not None:
        headers.append(("ce_strippositionmm", str(frame.strip_position_mm).encode()))
    if frame.strip_direction is not None:
        headers.append(("ce_stripdirection", frame.strip_direction.encode()))
    if frame.traceparent is not None:
        headers.append(("traceparent", frame.traceparent.encode()))
    return headers


def frame_copy_headers(frame: Frame, kind: str, content_type: bytes, own: Mapping[str, Any]) -> Headers:
    """Of a record with a frame's own bytes: what is said of it, its original place, time and key, and the headers that
    the camera sent, each with a prefix.

    Headers that were too many or too large to keep are left out, and so is such a key; a header of its own says so.
    """
    place = frame.position._asdict() | {"timestamp_ms": frame.timestamp_ms}
    headers = event_headers(frame, kind, content_type)
    headers += [(f"stripwatch_{name}", str(value).encode()) for name, value in {**own, **place}.items()]
    if frame.key is not None:
        kept = len(frame.key) <= KEY_BYTES_MAX
        headers.append(("stripwatch_key", frame.key) if kept else (KEY_DROPPED, b"1"))
    if frame.headers is None:
        headers.append((HEADERS_DROPPED, b"1"))
    headers += [(ORIGINAL_PREFIX + name, value) for name, value in frame.headers or ()]
    return headers


def original_headers(headers: Iterable[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
    """The headers that the camera sent, of a record that `frame_copy_headers` describes."""
    return [(name.removeprefix(ORIGINAL_PREFIX), value) for name, value in headers if name.startswith(ORIGINAL_PREFIX)]


REPLAYS = "stripwatch_replays"  # on a frame: how often it was sent again
