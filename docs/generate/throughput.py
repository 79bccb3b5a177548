"""The chart of the benchmarks page, made from the table below it."""

import re
from html import escape
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "explanation" / "benchmarks.md"
_HEADER = re.compile(r"^\| contender \|.*200x200.*\|.*256x1600.*\|$", re.MULTILINE)
_SIZES = ("photographs of 200x200", "strips of 256x1600")
_OURS, _OTHERS = "#0a66c2", "#9aa5b1"
_ROW_PX, _LEFT_PX, _BAR_PX, _GAP_PX, _TOP_PX = 28, 270, 220, 90, 48


def throughput_chart() -> str:
    """Return an SVG with the frames per second of each contender, for both sizes of frames."""
    rows = read_rows(BENCHMARKS.read_text())
    width_px = _LEFT_PX + 2 * (_BAR_PX + _GAP_PX)
    height_px = _TOP_PX + len(rows) * _ROW_PX + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width_px} {height_px}" role="img" '
        'font-family="system-ui, sans-serif" font-size="13">',
        "<title>Frames per second of each contender</title>",
        f'<rect width="{width_px}" height="{height_px}" fill="white"/>',
        *(_text(_column_px(i), 24, f"Frames/s, {size} px", bold=True) for i, size in enumerate(_SIZES)),
    ]
    fastest = [max(rates) for rates in zip(*rows.values(), strict=True)]
    for number, (name, rates) in enumerate(rows.items()):
        y_px = _TOP_PX + number * _ROW_PX
        parts.append(_text(10, y_px + 14, name, bold=number == 0))
        for column, rate in enumerate(rates):
            parts += _bar(_column_px(column), y_px, rate, rate / fastest[column], ours=number == 0)
    return "\n".join([*parts, "</svg>", ""])


def read_rows(page: str) -> dict[str, tuple[int, ...]]:
    """Return the frames per second in the table of contenders, by name; the first is the worker.

    Raises ValueError if the page has no such table.
    """
    header = _HEADER.search(page)
    if header is None:
        raise ValueError(f"{BENCHMARKS} has no table of contenders with the columns 200x200 and 256x1600")
    table = page[header.end() :].partition("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {re.split(r"[,(]", row[0])[0].strip(): (_rate(row[1]), _rate(row[2])) for row in cells}


def _rate(cell: str) -> int:
    return int(cell.split()[0].replace(",", ""))


def _column_px(column: int) -> int:
    return _LEFT_PX + column * (_BAR_PX + _GAP_PX)


def _bar(x_px: int, y_px: int, rate: int, share: float, ours: bool) -> list[str]:
    width_px = round(_BAR_PX * share)
    bar = f'<rect x="{x_px}" y="{y_px}" width="{width_px}" height="20" fill="{_OURS if ours else _OTHERS}"/>'
    return [bar, _text(x_px + width_px + 6, y_px + 14, f"{rate:,}", bold=ours)]


def _text(x_px: int, y_px: int, text: str, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x_px}" y="{y_px}" fill="#1f2933"{weight}>{escape(text)}</text>'
