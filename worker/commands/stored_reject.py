"""A reject as it lies on its topic, and the frame that it was."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from stripwatch.worker.contracts.frame_headers import (
    HEADERS_DROPPED,
    KEY_DROPPED,
    ORIGINAL_PREFIX,
    REPLAY_OF,
    REPLAYS,
    original_headers,
)
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.contracts.timestamps import rfc3339

_MARKS = frozenset({REPLAYS, REPLAY_OF})


@dataclass(frozen=True, slots=True)
class StoredReject:
    """position, rejected_ms: of the reject. original: where, when, with which key and headers the frame came."""

    position: Position
    rejected_ms: int
    id: str
    camera: str
    reason: str
    detail: str
    original: Record = field(repr=False)
    original_bytes: int
    whole: bool
    replays: int
    replay_of: str

    @property
    def fault(self) -> str | None:
        """Why the frame cannot be sent again as it was, or None."""
        kept = len(self.original.value or b"")
        if kept < self.original_bytes:
            return f"its bytes were cut: {kept} of {self.original_bytes} are there"
        if not kept:
            return "it had no bytes"
        return None if self.whole else "its key or headers were too large to be kept"

    def headers_again(self) -> list[tuple[str, bytes | None]]:
        """The camera's headers, and marks by which the next one sees that this is a replay."""
        marks = [(REPLAYS, str(self.replays + 1).encode()), (REPLAY_OF, self.replay_of.encode())]
        return [*self.original.headers, *marks]

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "rejected_at": rfc3339(self.rejected_ms),
            "reason": self.reason,
            "detail": self.detail,
            "camera": self.camera,
            "original": self.original.position._asdict(),
            "bytes": self.original_bytes,
            "replays": self.replays,
            "replayable": self.fault is None,
            "reject": self.position._asdict(),
        }


def read_reject(record: Record) -> StoredReject:
    """Raises ValueError for a record that the worker did not write."""
    headers = {name: value or b"" for name, value in record.headers}
    try:
        own = {name: headers[f"stripwatch_{name}"].decode() for name in ("reason", "detail", "topic")}
        numbers = {name: int(headers[f"stripwatch_{name}"]) for name in _NUMBERS}
        reject_id = headers["ce_id"].decode()
        replays = int(headers.get(ORIGINAL_PREFIX + REPLAYS, b"0"))
        replay_of = headers.get(ORIGINAL_PREFIX + REPLAY_OF, b"").decode() or reject_id
    except KeyError as error:
        raise ValueError(f"it has no header {error}") from error
    original = Record(
        position=Position(own["topic"], numbers["partition"], numbers["offset"]),
        timestamp_ms=numbers["timestamp_ms"],
        key=headers.get("stripwatch_key"),
        value=record.value,
        headers=[(name, value) for name, value in original_headers(record.headers) if name not in _MARKS],
    )
    return StoredReject(
        position=record.position,
        rejected_ms=max(0, record.timestamp_ms),
        id=reject_id,
        camera=(record.key or b"").decode(errors="backslashreplace"),
        reason=own["reason"],
        detail=own["detail"],
        original=original,
        original_bytes=numbers["bytes"],
        whole=not {HEADERS_DROPPED, KEY_DROPPED} & set(headers),
        replays=replays,
        replay_of=replay_of,
    )


_NUMBERS = ("partition", "offset", "timestamp_ms", "bytes")


def json_line(reject: StoredReject) -> str:
    return msgspec.json.encode(reject.as_json()).decode()
