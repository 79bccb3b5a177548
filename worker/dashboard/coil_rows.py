"""A coil as a row of the page's table."""

from typing import Any

import msgspec

from stripwatch.worker.coils.coil import CoilSummary

_LISTS = ("strip_defects", "gaps", "cameras")


def coil_row(summary: CoilSummary, is_cut: bool) -> dict[str, Any]:
    """A summary without its lists, which are as long as the coil has defects, gaps and cameras."""
    row: dict[str, Any] = msgspec.to_builtins(
        {name: getattr(summary, name) for name in summary.__struct_fields__ if name not in _LISTS}
    )
    return row | {"first_frames_unread": is_cut}
