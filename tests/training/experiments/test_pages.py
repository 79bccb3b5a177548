"""The pages of crossval and compare."""

from pathlib import Path

import msgspec
import pytest

from stripwatch.export.reporting.confidence_intervals import share_interval
from stripwatch.export.results.stress_results import StressChange, StressPoint, StressResults
from stripwatch.export.runs.run_folder import Run, read_run
from stripwatch.training.experiments.compare_page import compare_page
from stripwatch.training.experiments.crossval_page import crossval_page
from stripwatch.training.experiments.crossval_result import CrossvalResult, FoldResult, WrongFrame
from stripwatch.training.experiments.leaderboard import LeaderboardEntry, Rule, rank
from stripwatch.worker.contracts.model.model_record import ClassFigures
from stripwatch.worker.images.image_statistics import FrameStatistics

pytestmark = pytest.mark.training

PNG = b"\x89PNG"


@pytest.fixture
def run(fitted_run: Path) -> Run:
    return read_run(fitted_run)


def crossval(wrong: int = 1) -> CrossvalResult:
    return CrossvalResult(
        frames=60,
        errors=wrong,
        accuracy=share_interval(60 - wrong, 60),
        macro_f1=None,
        fold_accuracy=[1.0, 0.9667],
        classes={"<plain>": ClassFigures(precision=0.95, recall=1, f1=0.97, frames=20)},
        localisation=None,
        wrong=[WrongFrame(f"plain_{at}.png", "plain", "spots") for at in range(wrong)],
        runs=["a", "b"],
        folds=[
            FoldResult("fold-1", 30, 0, share_interval(30, 30), 61),
            FoldResult("fold-2", 30, wrong, share_interval(30 - wrong, 30), 9),
        ],
        confusion=[[20, 0, 0], [0, 20, 0], [0, 1, 19]],
    )


def test_the_page_of_a_cross_validation_shows_folds_settings_and_data(run: Run) -> None:
    page = crossval_page(crossval(), run, "stripwatch train crossval --folds 2", {})
    for shown in (
        *("fold-2</a></td><td>30</td><td>1</td><td>0.9667</td>", 'href="fold-1/evaluation/report.html"'),
        *("stripwatch train crossval --folds 2", run.data_sha256, "&lt;plain&gt;", "<td>plain_0.png</td>"),
        *("1 min 01 s", "1 were wrong"),
    ):
        assert shown in page
    assert page.count("data:image/png;base64,") == 2


def stress() -> StressResults:
    unchanged, noisy = (
        StressPoint(strength, 60, right, right, 60 - right, 0, FrameStatistics(100.0, 10.0, 0.1))
        for strength, right in ((0, 60), (8, 30))
    )
    return StressResults(60, unchanged, [StressChange.of("noise", "grey levels", [noisy], unchanged)])


def test_the_page_of_a_cross_validation_shows_every_strength_of_a_change(run: Run) -> None:
    page = crossval_page(msgspec.structs.replace(crossval(), stress=stress()), run, "", {})
    assert "<td>noise</td><td>8</td><td>50.0%</td><td>50.0%</td><td>50.0%</td><td>0.0%</td>" in page
    assert "chosen on the held-out frames of the other folds" in page
    assert page.count("data:image/png;base64,") == 3


def test_the_page_of_a_comparison_shows_where_each_network_fails(run: Run) -> None:
    tested = msgspec.structs.replace(entry("small", 50, 3369.25), stress=stress())
    page = compare_page(rank([tested, entry("wide", 58, 10)], Rule.parse("best")), run, PNG, "")
    assert "<th>change</th><th>unit</th><th>small</th></tr><tr><td>noise</td><td>grey levels</td><td>8</td>" in page
    assert "<td>0 of 1</td>" in page
    assert "What the networks withstand" not in compare_page(rank([entry("a", 5, 1)], Rule.parse("best")), run, PNG, "")


def test_the_page_of_a_comparison_warns_of_strengths_that_cannot_be_trusted(run: Run) -> None:
    tested = stress()
    assert 'class="warning"' not in _compared(run, tested)
    few = msgspec.structs.replace(tested, frames=9)
    assert (
        '<p class="warning">wide, small: only 9 images were changed, so a single one can decide where the model fails; '
        "50 or more give a closer answer.</p>"
    ) in _compared(run, few)


def _compared(run: Run, tested: StressResults) -> str:
    entries = [
        msgspec.structs.replace(entry(name, right, 10), stress=tested) for name, right in (("small", 50), ("wide", 58))
    ]
    return compare_page(rank(entries, Rule.parse("best")), run, PNG, "")


def test_a_long_list_of_wrong_frames_is_cut_and_says_so(run: Run) -> None:
    page = crossval_page(crossval(wrong=29), run, "", {})
    assert "The first" not in page
    many = msgspec.structs.replace(crossval(), errors=300, wrong=[WrongFrame("a.png", "a", "")] * 300)
    assert "The first 200 of 300" in crossval_page(many, run, "", {})


def entry(name: str, right: int, speed: float, note: str = "") -> LeaderboardEntry:
    return LeaderboardEntry(
        *(name, "mobilenet 0.25", "none", "64x64 rgb", share_interval(right, 60), None, 220_086, 1.5, 2, 61, "0"),
        bundle_bytes=931_149 if speed else 0,
        provider="CPUExecutionProvider",
        frames_per_second_batch_1=speed / 2,
        frames_per_second=speed,
        batch=4,
        note=note,
        left_out_mean=0.8125 if speed else None,
    )


def test_the_page_of_a_comparison_shows_networks_and_the_winner(run: Run) -> None:
    board = rank(
        [entry("small", 50, 3369.25), entry("wide", 58, 0, note="no golden frame <found>")], Rule.parse("best")
    )
    page = compare_page(board, run, PNG, "stripwatch train compare --networks small,wide")
    for shown in (
        *('href="wide/evaluation/report.html">wide (winner)</a>', "3,369.2", "220,086", "1 min 01 s"),
        *("wide was not timed: no golden frame &lt;found&gt;", "wide, by the rule best", run.data_sha256),
        *("--networks small,wide", "Pareto front</td><td>small</td>"),
        *("<td>4</td><td>0.812</td>", "left-out classes detected"),
    ):
        assert shown in page
