"""Replay marks: records on the rejects topic that state that the frame of a reject was sent again.

A replay mark has one header and no body. It is not a reject, so every reader of the topic must recognize it.
"""

from collections.abc import Iterable

from stripwatch.worker.contracts.header_names import REPLAYED


def replay_mark_headers(reject_id: str) -> list[tuple[str, bytes]]:
    """Return the headers of the replay mark for the frame whose first reject has this id."""
    return [(REPLAYED, reject_id.encode())]


def replayed_id(value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """Return the id of the reject whose frame was sent again; None for a record that is not a replay mark."""
    mark = dict(headers).get(REPLAYED)
    return mark.decode(errors="replace") if mark and not value else None
