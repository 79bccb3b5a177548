"""A JSON object as a table of names and texts for people."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from stripwatch.worker.common.path_text import encodable

_SHOWN_MAX = 8  # entries of a list or an object in the table; JSON has all of them


def facts_table(facts: Mapping[str, str]) -> Table:
    """Return names and texts as a table without lines. Long texts are continued in their column."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in facts.items():
        table.add_row(encodable(name), encodable(text))
    return table


def facts_of(summary: Mapping[str, Any]) -> dict[str, str]:
    """Return a JSON object as names and texts for people, without the entries that are null or empty."""
    return {
        str(name).replace("_", " "): as_text(value) for name, value in summary.items() if value not in (None, [], {})
    }


def as_text(value: Any) -> str:
    """Return a JSON value as text for people: 1,200 for numbers, "name: value" for the entries of an object."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, Mapping):
        if value.keys() == {"value", "low", "high"}:
            return interval_text(value)
        return _joined([f"{name}: {as_text(each)}" for name, each in value.items()], "; ")
    if isinstance(value, list | tuple):
        return _joined([as_text(each) for each in value], ", ")
    return "-" if value is None else str(value)


def interval_text(interval: Mapping[str, float]) -> str:
    """Return a value with its confidence interval, an object with value, low and high, as text.

    An interval without width is omitted, as on the pages: few frames without an error do not give certainty.
    """
    if interval["low"] == interval["high"]:
        return f"{interval['value']:.4f} (no interval, because all resamples give this value)"
    return f"{interval['value']:.4f} (95 % interval {interval['low']:.4f} to {interval['high']:.4f})"


def _joined(texts: list[str], separator: str) -> str:
    more = f"{separator}and {len(texts) - _SHOWN_MAX} more" if len(texts) > _SHOWN_MAX else ""
    return separator.join(texts[:_SHOWN_MAX]) + more
