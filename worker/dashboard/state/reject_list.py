"""The newest rejected frames, for the page's list."""

import threading
from collections import deque
from collections.abc import Sequence

import msgspec

from stripwatch.worker.coils.tracking.bounded_names import shorten
from stripwatch.worker.coils.tracking.observations import Observation
from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.contracts.header_names import OWN_PREFIX
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.contracts.timestamps import rfc3339

REJECTS_MAX = 100
_DETAIL_CHARS_MAX = 400
_MEANINGS = {reason.value: reason.description for reason in RejectReason}
_UNKNOWN = "A worker of another version rejected the frame for a reason that this page does not know."


class RejectCard(msgspec.Struct, frozen=True):
    """One rejected frame.

    seq: number of the entry, counted from 1 in each run of the server. picture: address of the picture; null if no
    bytes of the frame were kept. meaning: the reason in plain words. rejected_at: when the worker wrote the reject.
    """

    seq: int
    id: str
    picture: str | None
    line: str | None
    coil: str | None
    camera: str
    captured_at: str
    rejected_at: str
    reason: str
    meaning: str
    detail: str


class RejectList:
    """The newest 100 rejects with the positions of their records. Thread-safe. Frames themselves are not kept."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._lock = threading.Lock()
        self._entries: deque[tuple[RejectCard, Position]] = deque(maxlen=REJECTS_MAX)
        self._changes = 0
        self._next_seq = 1

    @property
    def changes(self) -> tuple[int, int]:
        """Number of changes so far and of entries, for a page that fetches the list again if it has changed."""
        with self._lock:
            return self._changes, len(self._entries)

    def add(
        self,
        observation: Observation,
        headers: Sequence[tuple[str, bytes | None]],
        timestamp_ms: int,
        position: Position,
    ) -> None:
        """Add the reject that an observation was read from. A repeat is ignored."""
        own = {name.removeprefix(OWN_PREFIX): _text(value) for name, value in headers if name.startswith(OWN_PREFIX)}
        reason = shorten(own.get("reason", ""))
        with self._lock:
            if any(card.id == observation.id for card, _ in self._entries):
                return
            card = RejectCard(
                seq=self._next_seq,
                id=observation.id,
                picture=f"{self._run_id}/{self._next_seq}" if own.get("bytes_kept", "0") != "0" else None,
                line=observation.line,
                coil=observation.coil,
                camera=observation.camera,
                captured_at=rfc3339(observation.captured_ms),
                rejected_at=rfc3339(max(0, timestamp_ms)),
                reason=reason,
                meaning=_MEANINGS.get(reason, _UNKNOWN),
                detail=own.get("detail", "")[:_DETAIL_CHARS_MAX],
            )
            self._entries.append((card, position))
            self._next_seq += 1
            self._changes += 1

    def remove(self, identity: str) -> None:
        """Remove a reject whose frame was sent again and inspected."""
        with self._lock:
            kept = [entry for entry in self._entries if entry[0].id != identity]
            if len(kept) != len(self._entries):
                self._entries = deque(kept, maxlen=REJECTS_MAX)
                self._changes += 1

    def newest_first(self) -> list[RejectCard]:
        with self._lock:
            return [card for card, _ in reversed(self._entries)]

    def position(self, picture: str) -> Position | None:
        with self._lock:
            return next((position for card, position in self._entries if card.picture == picture), None)


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
