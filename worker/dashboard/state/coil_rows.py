"""Rows of the page's table of coils."""

from typing import Any

import msgspec

from stripwatch.worker.coils.grading.coil_state import defect_rate, figures_of
from stripwatch.worker.config.page_sections import LimitsSettings
from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.contracts.timestamps import parse_rfc3339

_SPEED_MS_MIN = 5_000
_LISTS = ("strip_defects", "gaps", "cameras")


def coil_row(summary: CoilSummary, is_cut: bool, limits: LimitsSettings | None = None) -> dict[str, Any]:
    """Return a summary as a dictionary without its lists of defects, gaps and cameras, which can be long.

    rate, rates: frames with any defect, and with each class, per 100 m of inspected strip, or per 100 inspected frames
    without strip positions (rate_unit). mean_speed_mps: length by the time from the first frame to the last.
    """
    row: dict[str, Any] = msgspec.to_builtins(
        {name: getattr(summary, name) for name in summary.__struct_fields__ if name not in _LISTS}
    )
    row |= {"first_frames_unread": is_cut, "mean_speed_mps": _mean_speed_mps(summary)}
    return row | _rates(summary, limits or LimitsSettings())


def _mean_speed_mps(summary: CoilSummary) -> float | None:
    """Return the mean speed from the first to the last frame of a coil, stops included."""
    first_ms, last_ms = parse_rfc3339(summary.first_captured_at), parse_rfc3339(summary.last_captured_at)
    if not summary.length_mm or last_ms - first_ms < _SPEED_MS_MIN:
        return None
    return round(summary.length_mm / (last_ms - first_ms), 3)


def _rates(summary: CoilSummary, limits: LimitsSettings) -> dict[str, Any]:
    figures = figures_of(summary)
    all_frames = max([summary.verdicts.get("defect", 0), *summary.defect_frames.values()])
    total, unit = defect_rate(figures, limits, all_frames)
    rates = {label: round(defect_rate(figures, limits, n)[0], 2) for label, n in summary.defect_frames.items()}
    return {"rate": round(total, 2), "rate_unit": unit, "rates": rates}
