"""Tables that stay readable in a narrow window: a table that is too wide is printed in several parts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

_NAME_MIN, _TEXT_MAX = 12, 40
_GAP = 2  # spaces between two columns


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a table. needs, wants: smallest and largest useful width, in cells of the terminal."""

    header: str
    cells: list[str]
    justify: JustifyMethod
    needs: int
    wants: int


def shorten(text: str, width: int) -> str:
    """Return a text of at most `width` terminal cells, with an ellipsis in place of its middle if it is longer."""
    if cell_len(text) <= width:
        return text
    head = (width - 1) // 2 + (width - 1) % 2
    tail, at = width - 1 - head, len(text)
    while at > 0 and cell_len(text[at - 1 :]) <= tail:
        at -= 1
    return set_cell_size(text, head).rstrip() + "…" + text[at:]


def numbers_table(name: str, *numbers: str, title: str | None = None) -> Table:
    """Return an empty table with one column of names and columns of numbers, for `print_table`."""
    table = Table(name, title=title)
    for header in numbers:
        table.add_column(header, justify="right")
    return table


def print_table(table: Table, console: Console) -> None:
    """Print a table within the width of the console.

    Right-justified columns hold numbers, which are always printed in full, as are columns with no_wrap. The others hold
    names: a name that does not fit loses its middle. If all columns together are wider than the console, the table is
    printed in several parts, each of which begins with the first column.
    """
    columns = [_measured(column, at == 0) for at, column in enumerate(table.columns)]
    if table.title:
        console.print(Text(_plain(table.title)), soft_wrap=True)
    for number, part in enumerate(_parts(columns, console.width)):
        if number:
            console.print()
        print_trimmed(_build(part, console.width), console)
    if table.caption:
        console.print(Text(_plain(table.caption), style="dim"))


def print_trimmed(table: Table, console: Console) -> None:
    """Print a table without the spaces that rich adds at the ends of lines."""
    with console.capture() as captured:
        console.print(table)
    console.out("\n".join(line.rstrip() for line in captured.get().splitlines()), highlight=False)


def _measured(column: Any, is_key: bool) -> _Column:
    header, cells = _plain(column.header), [_plain(cell) for cell in column.cells]
    widest = max((cell_len(line) for cell in cells for line in cell.splitlines()), default=0)
    word = max(map(cell_len, header.split()), default=0)  # a header is wrapped between its words
    wants = max(cell_len(header), widest)
    in_full = column.justify == "right" or column.no_wrap
    needs = max(word, widest if in_full else min(widest, _NAME_MIN if is_key else _TEXT_MAX))
    return _Column(header, cells, column.justify, needs, wants)


def _parts(columns: Sequence[_Column], width: int) -> Iterator[list[_Column]]:
    """Yield the columns of each part: the first column of the table, and as many others as fit."""
    key, part = columns[0], [columns[0]]
    for column in columns[1:]:
        if len(part) > 1 and sum(each.needs + _GAP for each in part) + column.needs > width:
            yield part
            part = [key]
        part.append(column)
    yield part


def _build(part: Sequence[_Column], width: int) -> Table:
    widths = _widths(part, width)
    # The box adds one space between two columns.
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, _GAP - 1, 0, 0), show_edge=False)
    for column, cells in zip(part, widths, strict=True):
        table.add_column(
            Text(column.header), justify=column.justify, width=cells, no_wrap=False, overflow="fold", vertical="top"
        )
    for row in zip(*(column.cells for column in part), strict=True):
        table.add_row(*map(_cell, row, part, widths))
    return table


def _cell(text: str, column: _Column, width: int) -> Text:
    if column.justify != "right" and " " not in text:
        text = shorten(text, width)
    return Text(text)


def _widths(part: Sequence[_Column], width: int) -> list[int]:
    """Give each column what it needs, and the rest of the width to those that want more, from left to right."""
    widths = [column.needs for column in part]
    rest = width - sum(widths) - _GAP * (len(part) - 1)
    for at, column in enumerate(part):
        more = min(max(rest, 0), column.wants - column.needs)
        widths[at] += more
        rest -= more
    return widths


def _plain(text: Any) -> str:
    return text.plain if isinstance(text, Text) else str(text)
