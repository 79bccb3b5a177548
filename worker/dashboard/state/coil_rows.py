"""Rows of the page's table of coils."""

from typing import Any

import msgspec

from stripwatch.worker.contracts.coil_summary import CoilSummary

_LISTS = ("strip_defects", "gaps", "cameras")


def coil_row(summary: CoilSummary, is_cut: bool) -> dict[str, Any]:
    """Return a summary as a dictionary without its lists of defects, gaps and cameras, which can be long."""
    row: dict[str, Any] = msgspec.to_builtins(
        {name: getattr(summary, name) for name in summary.__struct_fields__ if name not in _LISTS}
    )
    return row | {"first_frames_unread": is_cut}
