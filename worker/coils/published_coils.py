"""The summaries that are on Kafka already: a coil that is read again after a restart continues them."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

import msgspec

from stripwatch.worker.coils.coil import CoilSummary
from stripwatch.worker.coils.coil_part import CoilPart
from stripwatch.worker.coils.observations import time_ms

Key = tuple[str | None, str | None]  # line and coil


@dataclass(frozen=True, slots=True)
class Published:
    """The newest summary of one id. cameras: those that sent frames, and those that were expected.

    digest: of what it says, whatever it is called.
    """

    id: str
    revision: int
    first_ms: int
    last_ms: int
    frames: int
    cameras: frozenset[str]
    digest: bytes


class PublishedCoils:
    """By line and coil. cameras_seen: a line and the cameras that sent frames, for each coil."""

    def __init__(self) -> None:
        self.cameras_seen: list[tuple[str | None, set[str]]] = []
        self._by_key: OrderedDict[Key, dict[str, Published]] = OrderedDict()

    def add(self, summary: CoilSummary) -> None:
        """Raises ValueError or OverflowError where its times are none."""
        if summary.supplement:
            return
        known = Published(
            id=summary.id,
            revision=summary.revision,
            first_ms=time_ms(summary.first_captured_at),
            last_ms=time_ms(summary.last_captured_at),
            frames=sum(msgspec.structs.astuple(summary.frames)),
            cameras=frozenset(summary.cameras),
            digest=content_digest(summary),
        )
        of_key = self._by_key.setdefault((summary.line, summary.coil), {})
        if summary.id not in of_key or of_key[summary.id].revision <= summary.revision:
            of_key[summary.id] = known
        if summary.revision == 1:
            self.cameras_seen.append((summary.line, {*summary.cameras} - {*summary.cameras_silent}))

    def last_ms(self) -> dict[Key, int]:
        """Up to which time of capture each coil has been summarised."""
        return {key: max(known.last_ms for known in ids.values()) for key, ids in self._by_key.items()}

    def take(self, part: CoilPart) -> Published | None:
        """The newest summary of this part, which no other part has: the one whose times of capture overlap most."""
        log = part.log
        of_key = self._by_key.get((log.line, log.coil), {})
        found = max(of_key.values(), key=lambda known: _overlap_ms(known, part), default=None)
        if found is None or _overlap_ms(found, part) < 0:
            return None
        return of_key.pop(found.id)


def content_digest(summary: CoilSummary) -> bytes:
    content = msgspec.structs.replace(summary, id="", revision=0, ended=None)
    return hashlib.sha256(msgspec.json.encode(content)).digest()


def _overlap_ms(known: Published, part: CoilPart) -> int:
    return min(known.last_ms, part.log.last_ms) - max(known.first_ms, part.log.first_ms)
