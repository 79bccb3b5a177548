"""The table that people read."""

from tests.gpu.rows import measured, not_measured
from tests.gpu.table import markdown

MACHINE = {"GPU": "a card", "commit": "abc"}


def table(rows: list[object], error: str = "", planned: tuple[str, ...] = ("speed a",)) -> str:
    return markdown([{"step": "speed a", "rows": rows, "error": error}], planned, MACHINE)


def test_a_row_shows_its_figures_with_their_unit() -> None:
    row = measured("cuda", "images/s", {"batch 1": 123.456, "batch 64": 12345.6}, "golden frames hold")
    assert "| speed a | cuda | batch 1 123.5; batch 64 12346 images/s | golden frames hold |" in table([row])


def test_what_was_not_measured_says_why() -> None:
    assert "| speed a | cuda-graph | - | not measured: no GPU |" in table([not_measured("cuda-graph", "no GPU")])


def test_an_error_of_many_lines_stays_in_its_cell() -> None:
    assert "| failed: a / b c |" in table([], "a | b\nc")


def test_the_machine_stands_at_the_head_and_what_is_left_at_the_foot() -> None:
    text = table([], planned=("speed a", "worker a"))
    assert text.startswith("GPU: a card  \ncommit: abc")
    assert text.endswith("Not run: worker a.\n")


def test_steps_stand_in_the_order_of_the_plan_whenever_they_ran() -> None:
    records: list[dict[str, object]] = [{"step": name, "rows": [], "error": "no"} for name in ("worker a", "speed a")]
    text = markdown(records, ("speed a", "worker a"), MACHINE)
    assert text.index("speed a") < text.index("worker a")
