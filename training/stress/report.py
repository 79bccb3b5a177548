"""The results of a stress test as a table and plots, for pages and for the terminal."""

from collections.abc import Sequence
from html import escape
from typing import Any

from rich.table import Table

from stripwatch.export.reporting.html import table
from stripwatch.export.results.stress_results import (
    CERTAIN_SHARE_MIN,
    CONFIDENTLY_WRONG_MAX,
    StressChange,
    StressPoint,
    StressResults,
    limits_text,
)
from stripwatch.worker.common.terminal.tables import numbers_table

COLUMNS = ("change", "unit", "reliable to", "fails at", "right and certain", "confidently wrong", "unsure", "novel")
STRENGTH_COLUMNS = ("change", "strength", "right", "right and certain", "confidently wrong", "unsure", "novel")
_NOTE = (
    "Every frame was changed on purpose, and judged as a worker would judge it, novelty score included. The shares are "
    "those at the strongest change that was tried. Reliable: at most "
    f"{CONFIDENTLY_WRONG_MAX:.0%} of the frames are confidently wrong, or no more than without a change, and at least "
    f"{CERTAIN_SHARE_MIN:.0%} as many are right and certain as without a change."
)
_FRAMES_MIN = round(1 / CONFIDENTLY_WRONG_MAX)  # of fewer frames, a single one is more than this share
_CERTAIN_MIN = 0.5


def doubts(results: StressResults, untested: Sequence[str] = ()) -> list[str]:
    """Return sentences that say why the strengths may not be trusted; none for a usual test.

    untested: labels of the model that no tested frame has.
    """
    found, unchanged = [], results.unchanged
    if untested:
        found.append(
            f"no tested frame has the label {' or '.join(map(repr, untested))}, so the strengths do not show whether a "
            "change hides it or looks like it"
        )
    if results.frames < _FRAMES_MIN:
        found.append(
            f"only {results.frames} images were changed, so a single one can decide where the model fails; "
            f"{_FRAMES_MIN} or more give a closer answer"
        )
    if unchanged.certain_right < _CERTAIN_MIN * unchanged.frames:
        found.append(
            f"even without a change, only {unchanged.certain_right / unchanged.frames:.1%} of the frames are right and "
            "certain, and the strengths are relative to that"
        )
    return found


def stress_section(results: StressResults, untested: Sequence[str] = ()) -> str:
    """Return the results as HTML, without the plot. untested: labels of the model that no tested frame has."""
    head = f'<h2>What the model withstands</h2><p class="note">{_NOTE}</p>'
    sentences = [f"{text[0].upper()}{text[1:]}." for text in doubts(results, untested)]
    head += "".join(f'<p class="warning">{escape(sentence)}</p>' for sentence in sentences)
    frames = f'<p class="note">{results.frames:,} frames were changed.</p>'
    return f"{head}{frames}{table(COLUMNS, stress_rows(results), 'numbers')}"


def stress_rows(results: StressResults) -> list[tuple[str, ...]]:
    """Return one row per change, with the columns of COLUMNS. The first row is that without a change."""
    unchanged = ("none", "", "-", "-", *_shares(results.unchanged))
    return [unchanged, *(_row(change) for change in results.changes)]


def strengths_section(results: StressResults) -> str:
    """Return the results at every strength as HTML, without the plot."""
    return f"<h3>Every strength</h3>{table(STRENGTH_COLUMNS, strength_rows(results), 'numbers')}"


def strength_rows(results: StressResults) -> list[tuple[str, ...]]:
    """Return one row per change and strength, with the columns of STRENGTH_COLUMNS."""
    rows = [("none", "", *_all_shares(results.unchanged))]
    for change in results.changes:
        rows += [
            (change.name, f"{point.strength:g}" if change.unit else "", *_all_shares(point)) for point in change.points
        ]
    return rows


def strengths_table(results: StressResults) -> Table:
    """Return the results at every strength for the terminal."""
    found = numbers_table(*STRENGTH_COLUMNS)
    found.caption = f"{results.frames:,} frames were changed"
    for row in strength_rows(results):
        found.add_row(*row)
    return found


def stress_table(results: StressResults) -> Table:
    """Return the table for the terminal."""
    found = numbers_table(COLUMNS[0], *COLUMNS[2:])
    found.caption = f"shares at the strongest change that was tried, on {results.frames:,} frames"
    for name, _, *numbers in stress_rows(results):
        found.add_row(name, *numbers)
    return found


def stress_summary(results: StressResults) -> dict[str, Any]:
    """Return the results that a command prints as JSON."""
    return {
        "frames": results.frames,
        "unchanged": _shares_json(results.unchanged),
        "changes": {
            change.name: {
                "unit": change.unit,
                "reliable_to": change.reliable_to,
                "fails_at": change.fails_at,
                "strengths": [{"strength": each.strength, **_shares_json(each)} for each in change.points],
            }
            for change in results.changes
        },
    }


def _row(change: StressChange) -> tuple[str, ...]:
    return change.name, change.unit, *limits_text(change.limits), *_shares(change.points[-1])


def _shares(point: StressPoint) -> tuple[str, ...]:
    counts = (point.certain_right, point.confidently_wrong, point.unsure, point.novel)
    return tuple(f"{count / point.frames:.1%}" for count in counts)


def _all_shares(point: StressPoint) -> tuple[str, ...]:
    return (f"{point.right / point.frames:.1%}", *_shares(point))


def _shares_json(point: StressPoint) -> dict[str, float]:
    names = ("right", "certain_right", "confidently_wrong", "unsure", "novel")
    return {name: round(getattr(point, name) / point.frames, 4) for name in names}
