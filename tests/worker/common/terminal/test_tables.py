import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from stripwatch.worker.common.terminal.tables import print_table, shorten

NAMES = st.text("abcdefgh_-0123456789", min_size=1, max_size=60)
NUMBERS = st.integers(0, 10**9).map(lambda n: f"{n:,}")


def printed(table: Table, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False)
    print_table(table, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def wide_table(columns: int, names: list[str]) -> Table:
    table = Table("bundle")
    for number in range(columns):
        table.add_column(f"frames per second {number}", justify="right")
    for at, name in enumerate(names):
        table.add_row(name, *(f"{1000 * at + number}.25" for number in range(columns)))
    return table


@settings(max_examples=25)
@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), st.integers(1, 14), st.integers(40, 130))
def test_no_line_is_wider_than_the_window_and_no_number_is_cut(names: list[str], columns: int, width: int) -> None:
    text = printed(wide_table(columns, names), width)
    assert all(cell_len(line) <= width for line in text.splitlines())
    for at in range(len(names)):
        for number in range(columns):
            assert f"{1000 * at + number}.25" in text.replace("│", " ").split()


def test_a_table_that_fits_is_printed_in_one_part() -> None:
    text = printed(wide_table(3, ["plant-a"]), 70)
    assert text.count("plant-a") == 1
    assert len(text.splitlines()) == 3  # header, rule, and row


def test_a_table_that_does_not_fit_is_printed_in_parts_that_begin_with_the_name() -> None:
    text = printed(wide_table(14, ["plant-a"]), 80)
    assert text.count("plant-a") == 2
    assert text.count("bundle") == 2


def test_a_long_name_loses_its_middle() -> None:
    table = Table("bundle")
    for number in range(6):
        table.add_column(f"column {number}", justify="right")
    table.add_row("hot-rolled-strip-mill-2-mobilenet-0.25-2026-11-29-version-17", *"123456")
    text = printed(table, 80)
    assert "hot-rolled" in text
    assert "version-17" in text
    assert "…" in text


def test_a_header_is_wrapped_between_words_only() -> None:
    text = printed(wide_table(7, ["a"]), 80)
    assert {"frames", "second"} <= set(text.split())


def test_text_with_spaces_is_continued_in_its_column() -> None:
    table = Table("file", "reason")
    table.add_row("a.onnx", "the checksum of the file differs from the one in its manifest, which names another graph")
    text = printed(table, 60)
    assert " ".join(text.split()).count("checksum") == 1
    assert all(len(line) <= 60 for line in text.splitlines())


def test_title_and_caption_are_printed_once() -> None:
    table = wide_table(14, ["a"])
    table.title, table.caption = "plant-a 2", "frames per second: of inference alone"
    text = printed(table, 80)
    assert text.startswith("plant-a 2\n")
    assert text.count("inference alone") == 1


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abc…fg"), ("abcdefgh", 3, "a…h"), ("漢字漢字漢字", 6, "漢…字")],
)
def test_shorten_keeps_both_ends(text: str, width: int, expected: str) -> None:
    assert shorten(text, width) == expected


@given(st.text(max_size=80), st.integers(3, 40))
def test_a_shortened_text_fits(text: str, width: int) -> None:
    assert cell_len(shorten(text, width)) <= width


def test_a_column_without_wrapping_is_printed_in_full() -> None:
    table = Table("rejected at", "frame", "detail")
    for column in table.columns[:2]:
        column.no_wrap = True
    table.add_row("2026-11-29T10:00:00.123Z", "inspection.frames-0-12345678", "truncated after 4,096 bytes " * 3)
    text = printed(table, 80)
    assert "2026-11-29T10:00:00.123Z" in text
    assert "inspection.frames-0-12345678" in text
    assert " ".join(text.split()).count("truncated") == 3
