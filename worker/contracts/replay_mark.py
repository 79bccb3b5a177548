"""The mark on the topic of rejects which says that the frame of a reject was sent again.

It has a header and no body. Every reader of that topic must know it: it is not a reject.
"""

from collections.abc import Iterable

from stripwatch.worker.contracts.header_names import REPLAYED


def replay_mark_headers(reject_id: str) -> list[tuple[str, bytes]]:
    """The headers of the mark for the frame whose first reject has this id."""
    return [(REPLAYED, reject_id.encode())]


def replayed_id(value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """The id of the reject whose frame was sent again; None for a record that is not a mark."""
    mark = dict(headers).get(REPLAYED)
    return mark.decode(errors="replace") if mark and not value else None
