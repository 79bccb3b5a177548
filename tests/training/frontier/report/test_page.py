from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from stripwatch.training.frontier.plan.result import FrontierResult, RateResult, to_csv
from stripwatch.training.frontier.report.page import frontier_page, frontier_table
from stripwatch.training.frontier.report.plot import draw_frontier
from stripwatch.worker.common.terminal.tables import print_table
from tests.training.frontier.results import a_rate, a_result


@pytest.mark.parametrize("rate", [None, a_rate("middle"), a_rate(None)], ids=["no rate", "reached", "not reached"])
def test_the_page_has_plot_text_table_and_command(rate: RateResult | None) -> None:
    result = a_result(rate)
    plot = draw_frontier(result)
    assert plot.startswith(b"\x89PNG")
    page = frontier_page(result, plot, None if rate else Path("runs/middle"))
    assert page.index("data:image/png") < page.index("<h2>Recommendation</h2>") < page.index("<table")
    assert "&lt;images&gt;" in page
    assert "stripwatch train frontier --data x" in page
    assert ('href="runs/middle"' in page) == (rate is None)
    assert "slow" not in page.partition("Timed candidates")[2]


def test_the_table_marks_frontier_and_recommendation() -> None:
    console = Console(width=200, markup=False)
    with console.capture() as captured:
        print_table(frontier_table(a_result()), console)
    printed = captured.get()
    cheap, middle, dear = (line for line in printed.splitlines() if "mobilenet" in line)
    assert "2 *" in middle
    assert "recommended" in middle
    assert "99.50" in middle
    assert "most accurate" in dear
    assert "whole" in cheap


def test_the_csv_has_every_candidate_and_the_json_reads_back() -> None:
    result = a_result(a_rate("middle"))
    lines = to_csv(result.entries).decode().splitlines()
    assert len(lines) == 5
    header = lines[0].split(",")
    middle, slow = (dict(zip(header, lines[at].split(","), strict=True)) for at in (2, 4))
    assert (middle["name"], middle["total_ms"], middle["frames_per_second"]) == ("middle", "1.0", "1000.0")
    assert (slow["name"], slow["total_ms"], slow["frames_per_second"]) == ("slow", "", "")
    assert msgspec.json.decode(msgspec.json.encode(result), type=FrontierResult) == result
