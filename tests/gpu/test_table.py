"""Markdown table of a GPU run."""

from tests.gpu.rows import measured, not_measured
from tests.gpu.table import markdown

MACHINE = {"GPU": "a card", "commit": "abc"}


def table(rows: list[object], error: str = "", planned: tuple[str, ...] = ("speed a",)) -> str:
    return markdown([{"step": "speed a", "rows": rows, "error": error}], planned, MACHINE)


def test_a_row_shows_figures_with_their_unit() -> None:
    row = measured("cuda", "images/s", {"batch 1": 123.456, "batch 64": 12345.6}, "golden frames hold")
    assert "| speed a | cuda | batch 1 123.5; batch 64 12346 images/s | golden frames hold |" in table([row])


def test_a_row_without_figures_shows_the_reason() -> None:
    assert "| speed a | cuda-graph | - | not measured: no GPU |" in table([not_measured("cuda-graph", "no GPU")])


def test_an_error_with_several_lines_stays_in_its_cell() -> None:
    assert "| failed: a / b c |" in table([], "a | b\nc")


def test_the_machine_comes_first_and_the_steps_not_run_last() -> None:
    text = table([], planned=("speed a", "worker a"))
    assert text.startswith("GPU: a card  \ncommit: abc")
    assert text.endswith("Not run: worker a.\n")


def test_steps_are_in_the_order_of_the_plan() -> None:
    records: list[dict[str, object]] = [{"step": name, "rows": [], "error": "no"} for name in ("worker a", "speed a")]
    text = markdown(records, ("speed a", "worker a"), MACHINE)
    assert text.index("speed a") < text.index("worker a")
