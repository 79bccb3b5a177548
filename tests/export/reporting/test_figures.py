"""Labels and names from outside reach matplotlib as literal text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.text import Text

from stripwatch.export.bench.bundle_bench import BenchRow
from stripwatch.export.bench.table import as_table, draw_speeds, markdown
from stripwatch.export.bench.timing import Speed
from stripwatch.export.reporting import charts
from stripwatch.export.reporting.figures import Tile, draw_sheet, literal
from tests.printed import as_printed

# Invalid and valid mathematics, a label that legends omit, and terminal markup.
NAMES = ["$\\frac$", "a $x$ b", "a\\$b", "$", "_hidden", "[red]x[b]"]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Collect the figures that are saved."""
    figures: list[Figure] = []
    save = Figure.savefig

    def note(figure: Figure, *arguments: object, **options: object) -> None:
        save(figure, *arguments, **options)  # type: ignore[arg-type]
        figures.append(figure)

    monkeypatch.setattr(Figure, "savefig", note)
    return figures


def texts(figures: list[Figure]) -> set[str]:
    """Return the texts as matplotlib draws them."""
    return {_as_drawn(text) for figure in figures for text in figure.findobj(Text)}


def _as_drawn(text: Text) -> str:
    shown, mathematics = text._preprocess_math(text.get_text())  # type: ignore[attr-defined]
    return f"mathematics: {shown}" if mathematics else str(shown)


@given(st.text())
def test_draws_every_text_literally(text: str) -> None:
    assert _as_drawn(Text(0, 0, literal(text))) == text


def test_a_confusion_matrix_shows_every_label(drawn: list[Figure]) -> None:
    charts.draw_confusion(NAMES, np.eye(len(NAMES), dtype=int).tolist())
    assert set(NAMES) <= texts(drawn)


def test_a_confusion_matrix_of_many_labels_has_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(charts, "to_png", figures.append)
    for labels in (30, 31, 150, 1000):
        charts.draw_confusion([f"label {at}" for at in range(labels)], np.eye(labels, dtype=int).tolist())
    assert all(max(figure.get_size_inches()) < 30 for figure in figures)
    shown = [[label.get_text() for label in figure.axes[0].get_yticklabels()] for figure in figures]
    assert [len(labels) for labels in shown] == [30, 31, 150, 143]
    assert shown[-1][:3] == ["label 0", "label 7", "label 14"]
    assert [len(figure.axes[0].texts) for figure in figures] == [30 * 30, 0, 0, 0]


def test_a_sheet_shows_its_title_and_every_caption(drawn: list[Figure]) -> None:
    picture = np.zeros((20, 30, 3), np.uint8)
    for title in NAMES:
        draw_sheet(title, [Tile(picture, name) for name in NAMES])
        assert {title, *NAMES} <= texts(drawn)


def test_the_speed_plot_names_every_bundle(drawn: list[Figure]) -> None:
    speed = Speed(1, 10.0, 2.0, 3.0, 1.0, 5)
    rows = [BenchRow(f"{name}.onnx", "fp32", 1000, None, "cpu", speeds=(speed,)) for name in [*NAMES, "a|b"]]
    draw_speeds(rows)
    assert {*NAMES, "a|b"} <= texts(drawn)
    (legend,) = drawn[0].legends
    assert len(legend.get_texts()) == len(rows)
    assert all(name in as_printed(as_table(rows)) for name in NAMES)
    assert r"| a\|b |" in markdown(rows)


def test_the_speed_table_is_readable_in_80_columns() -> None:
    speed = Speed(16, 123_456.7, 2.0, 3.0, 1.0, 5)
    name = "hot-rolled-strip-mill-2-mobilenet-0.25-2026-11-29-int8.onnx"
    text = as_printed(as_table([BenchRow(name, "int8", 10**9, None, "cuda-graph", speeds=(speed,))]))
    assert max(map(len, text.splitlines())) <= 80
    assert {"123456.7", "cuda-graph"} <= set(text.split())
