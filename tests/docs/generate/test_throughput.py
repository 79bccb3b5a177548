"""Chart of the benchmarks page."""

import pytest

from docs.generate.throughput import BENCHMARKS, read_rows, throughput_chart


def test_shows_every_contender_of_the_table() -> None:
    rows = read_rows(BENCHMARKS.read_text())
    assert next(iter(rows)) == "Stripwatch"
    assert all(f">{name}<" in throughput_chart() for name in rows)


def test_raises_if_the_page_has_no_table_of_contenders() -> None:
    with pytest.raises(ValueError, match="has no table of contenders"):
        read_rows("# Benchmarks\n")
