import cv2
import numpy as np
import pytest

from stripwatch.export.results.stress_results import StressChange, StressPoint, StressResults
from stripwatch.training.stress.plots import draw_stress
from stripwatch.training.stress.report import (
    COLUMNS,
    doubts,
    strength_rows,
    strengths_section,
    strengths_table,
    stress_rows,
    stress_section,
    stress_summary,
    stress_table,
)
from stripwatch.worker.images.image_statistics import FrameStatistics

STATISTICS = FrameStatistics(100.0, 10.0, 0.1)


def point(strength: float, certain_right: int, confidently_wrong: int = 0) -> StressPoint:
    return StressPoint(strength, 200, certain_right, certain_right, confidently_wrong, 4, STATISTICS)


@pytest.fixture
def results() -> StressResults:
    unchanged = point(0, 200)
    noise = StressChange.of("noise", "grey levels", [point(2, 198), point(4, 150, 30)], unchanged)
    mirrored = StressChange.of("mirrored", "", [point(1, 199)], unchanged)
    turned = StressChange.of("rotated", "", [point(1, 20, 100)], unchanged)
    return StressResults(200, unchanged, [noise, mirrored, turned])


def test_rows(results: StressResults) -> None:
    assert [dict(zip(COLUMNS, row, strict=True)) for row in stress_rows(results)] == [
        {
            "change": "none", "unit": "", "reliable to": "-", "fails at": "-", "right and certain": "100.0%",
            "confidently wrong": "0.0%", "unsure": "0.0%", "novel": "2.0%",
        },
        {
            "change": "noise", "unit": "grey levels", "reliable to": "2", "fails at": "4", "right and certain": "75.0%",
            "confidently wrong": "15.0%", "unsure": "10.0%", "novel": "2.0%",
        },
        {
            "change": "mirrored", "unit": "", "reliable to": "yes", "fails at": "-", "right and certain": "99.5%",
            "confidently wrong": "0.0%", "unsure": "0.5%", "novel": "2.0%",
        },
        {
            "change": "rotated", "unit": "", "reliable to": "-", "fails at": "always", "right and certain": "10.0%",
            "confidently wrong": "50.0%", "unsure": "40.0%", "novel": "2.0%",
        },
    ]  # fmt: skip


def test_a_usual_test_leaves_no_doubts(results: StressResults) -> None:
    assert doubts(results) == []
    assert "warning" not in stress_section(results)


def test_says_why_the_strengths_may_not_be_trusted() -> None:
    unchanged = StressPoint(0, 9, 3, 3, 6, 0, STATISTICS)
    poor = StressResults(9, unchanged, [StressChange.of("noise", "grey levels", [unchanged], unchanged)])
    assert doubts(poor, ["pits", "<rust>"]) == [
        "no tested frame has the label 'pits' or '<rust>', so the strengths do not show whether a change hides it "
        "or looks like it",
        "only 9 images were changed, so a single one can decide where the model fails; 50 or more give a closer answer",
        "even without a change, only 33.3% of the frames are right and certain, and the strengths are relative to that",
    ]
    page = stress_section(poor, ["<rust>"])
    assert page.count('<p class="warning">') == 3
    assert "&lt;rust&gt;" in page
    assert "<rust>" not in page


def test_page_and_terminal_show_every_change(results: StressResults) -> None:
    page = stress_section(results)
    assert all(name in page for name in ("noise", "grey levels", "rotated", "200 frames were changed"))
    assert stress_table(results).row_count == 4


def test_summary(results: StressResults) -> None:
    noise = stress_summary(results)["changes"]["noise"]
    assert (noise["reliable_to"], noise["fails_at"]) == (2, 4)
    assert noise["strengths"][1] == {
        "strength": 4, "right": 0.75, "certain_right": 0.75, "confidently_wrong": 0.15, "unsure": 0.1, "novel": 0.02,
    }  # fmt: skip


def test_plot_is_a_picture(results: StressResults) -> None:
    drawn = cv2.imdecode(np.frombuffer(draw_stress(results), np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
    vermilion = (np.abs(drawn.astype(int) - (0x00, 0x5E, 0xD5)).max(axis=2) < 8).mean()
    assert vermilion > 0.001


def test_shows_every_strength(results: StressResults) -> None:
    assert strength_rows(results) == [
        ("none", "", "100.0%", "100.0%", "0.0%", "0.0%", "2.0%"),
        ("noise", "2", "99.0%", "99.0%", "0.0%", "1.0%", "2.0%"),
        ("noise", "4", "75.0%", "75.0%", "15.0%", "10.0%", "2.0%"),
        ("mirrored", "", "99.5%", "99.5%", "0.0%", "0.5%", "2.0%"),
        ("rotated", "", "10.0%", "10.0%", "50.0%", "40.0%", "2.0%"),
    ]
    assert strengths_table(results).row_count == 5
    assert "<td>15.0%</td>" in strengths_section(results)
