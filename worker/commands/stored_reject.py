"""A reject read from its topic, with the original frame."""

from dataclasses import dataclass, field, replace
from typing import Any

from stripwatch.worker.contracts.frame_headers import RejectHeaders, read_frame_copy
from stripwatch.worker.contracts.header_names import REPLAY_OF, REPLAYS
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.contracts.timestamps import rfc3339

_MARKS = frozenset({REPLAYS, REPLAY_OF})


@dataclass(frozen=True, slots=True)
class StoredReject:
    """A reject record. position, rejected_ms: of the reject. original: the record of the rejected frame."""

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
        """The reason why the original frame cannot be sent again, or None."""
        kept = len(self.original.value or b"")
        if kept < self.original_bytes:
            return f"only {kept} of its {self.original_bytes} bytes were kept"
        if not kept:
            return "it is empty"
        return None if self.whole else "its key or headers were too large to be kept"

    def headers_again(self) -> list[tuple[str, bytes | None]]:
        """Return the camera's headers, plus the headers that mark the frame as a replay."""
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
    """Read a reject. Raises ValueError for a record that the worker did not write."""
    copy = read_frame_copy(record, RejectHeaders)
    marks = {name: value or b"" for name, value in copy.original.headers if name in _MARKS}
    return StoredReject(
        position=record.position,
        rejected_ms=max(0, record.timestamp_ms),
        id=copy.id,
        camera=(record.key or b"").decode(errors="backslashreplace"),
        reason=copy.own.reason,
        detail=copy.own.detail,
        original=replace(
            copy.original, headers=[(name, value) for name, value in copy.original.headers if name not in _MARKS]
        ),
        original_bytes=copy.own.bytes,
        whole=copy.whole,
        replays=int(marks.get(REPLAYS, b"0")),
        replay_of=marks.get(REPLAY_OF, b"").decode() or copy.id,
    )
