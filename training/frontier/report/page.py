"""HTML page of a search, and the table for the terminal."""

from html import escape
from pathlib import Path

from rich.table import Table

from stripwatch.export.reporting.html import Html, link, page, picture, table
from stripwatch.training.frontier.plan.result import EntryResult, FrontierResult
from stripwatch.training.frontier.report.wording import describe_entry, sections

_NAMES = ("", "network", "cut", "input", "decode", "precision")
_NUMBERS = (
    *("accuracy, %", "95 % from", "to", "wrong", "p", "ms per frame", "decoding", "inference"),
    "frames/s per core",
)


def frontier_page(result: FrontierResult, plot: bytes, run: Path | None) -> str:
    """Return the page. plot: PNG. run: folder of the winner's run, relative to the page; None if there is none."""
    title = f"Accuracy and cost of models for {Path(result.data).name}"
    note = f"Written by stripwatch train frontier on {result.created_at[:10]}."
    parts = [picture("Accuracy against the cost of a frame", plot)]
    for heading, paragraphs in sections(result):
        parts.append(f"<h2>{escape(heading)}</h2>")
        parts += [f"<p>{escape(text)}</p>" for text in paragraphs]
    parts.append("<h2>Timed candidates</h2>")
    parts.append(table(("candidate", *_NUMBERS, "model"), [_row(result, each) for each in result.timed], "numbers"))
    parts.append(
        '<p class="note">* is on the frontier: no candidate is cheaper and at least as accurate. p: exact McNemar test '
        "against the most accurate candidate. frontier.csv has all candidates.</p>"
    )
    facts = {"command": result.command}
    if run is not None:
        facts = {"run of the recommended model": link(run.as_posix(), run), **facts}
    return page(title, note, [*parts, table((), facts.items(), "facts")])


def _row(result: FrontierResult, entry: EntryResult) -> tuple[str, ...]:
    return (_title(result, entry), *_numbers(entry), Html(escape(describe_entry(entry))))


def _title(result: FrontierResult, entry: EntryResult) -> str:
    role = _roles(result).get(entry.name)
    return f"{entry.name}{' *' if entry.on_front else ''}{f' ({role})' if role else ''}"


def _numbers(entry: EntryResult) -> tuple[str, ...]:
    share, cost = entry.accuracy, entry.cost
    p_value = "-" if entry.p_value is None else f"{entry.p_value:.2g}"
    shares = (f"{100 * value:.2f}" for value in (share.value, share.low, share.high))
    costs: tuple[str, ...] = ("-",) * 4
    if cost is not None:
        times = (f"{value:.2f}" for value in (cost.total_ms, cost.decode_ms, cost.inference_ms))
        costs = (*times, f"{cost.frames_per_second:,.0f}")
    return (*shares, f"{entry.errors:,}", p_value, *costs)


def frontier_table(result: FrontierResult) -> Table:
    """Return the timed candidates, cheapest first. A star marks the frontier."""
    rows = Table("", *_NAMES)  # the first column is repeated if the table is too wide for the window
    for header in _NUMBERS:
        rows.add_column(header, justify="right")
    for number, entry in enumerate(result.timed, start=1):
        width = f" {entry.alpha:g}" if entry.alpha != 1 else ""
        names = (f"{entry.network}{width}", entry.cut or "whole", entry.input, entry.decode, entry.precision)
        role = _roles(result).get(entry.name, "")
        rows.add_row(f"{number}{' *' if entry.on_front else ''}", role, *names, *_numbers(entry))
    return rows


def _roles(result: FrontierResult) -> dict[str | None, str]:
    roles: dict[str | None, str] = {
        result.best: "most accurate",
        result.within: f"within {result.within_points:g} points",
    }
    return roles | {result.winner: "recommended"}
