import csv
from collections.abc import Callable

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.export.results.run_evaluation import Interval
from stripwatch.export.results.stress_results import StressChange, StressPoint, StressResults
from stripwatch.training.experiments.leaderboard import (
    Leaderboard,
    LeaderboardEntry,
    Rule,
    draw,
    rank,
    to_csv,
    to_table,
)
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.images.image_statistics import FrameStatistics
from tests.printed import as_printed


def entry(name: str, accuracy: float, speed: float, macro_f1: float = 0.9) -> LeaderboardEntry:
    interval = Interval(accuracy, accuracy - 0.01, min(1, accuracy + 0.01))
    return LeaderboardEntry(
        name=name,
        network="mobilenet",
        weights="none",
        input="64x64",
        accuracy=interval,
        macro_f1=Interval(macro_f1, macro_f1, macro_f1),
        parameters=1000,
        epoch_s=1,
        features_s=0,
        total_s=10,
        model_sha256="0",
        bundle_bytes=4_000_000,
        frames_per_second_batch_1=speed / 2,
        frames_per_second=speed,
        batch=8,
    )


ENTRIES = [entry("slow", 0.995, 10), entry("middle", 0.992, 40), entry("beaten", 0.98, 30), entry("fast", 0.97, 200)]


@pytest.mark.parametrize(
    ("rule", "winner"),
    [("best", "slow"), ("fastest-within:0.2", "slow"), ("fastest-within:0.3", "middle"), ("fastest-within:5", "fast")],
)
def test_the_rule_selects_the_winner(rule: str, winner: str) -> None:
    assert rank(ENTRIES, Rule.parse(rule)).winner == winner


def test_ties_in_accuracy_are_broken_by_macro_f1_then_by_speed() -> None:
    equal = [entry("a", 0.9, 10, 0.8), entry("b", 0.9, 5, 0.9), entry("c", 0.9, 7, 0.9)]
    assert rank(equal, Rule.parse("best")).winner == "c"


def test_a_network_that_was_not_timed_is_neither_on_the_front_nor_plotted() -> None:
    board = rank([*ENTRIES, entry("untimed", 0.9, 0)], Rule.parse("best"))
    assert "untimed" not in board.front
    assert draw(board) == draw(rank(ENTRIES, Rule.parse("best")))


@pytest.mark.parametrize("text", ["", "fastest", "fastest-within:", "fastest-within:-1", "best:1"])
def test_rejects_an_unknown_rule(text: str) -> None:
    with pytest.raises(SettingsError, match="is neither 'best' nor"):
        Rule.parse(text)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=8))
def test_the_front_has_the_networks_that_no_other_beats(found: list[tuple[int, int]]) -> None:
    entries = [entry(str(at), accuracy / 5, speed) for at, (accuracy, speed) in enumerate(found)]
    front = set(rank(entries, Rule.parse("best")).front)

    def beats(other: LeaderboardEntry, one: LeaderboardEntry) -> bool:
        pairs = ((other.accuracy.value, one.accuracy.value), (other.frames_per_second, one.frames_per_second))
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    for one in entries:
        beaten = any(beats(other, one) for other in entries)
        same = {e.name for e in entries if not beats(e, one) and not beats(one, e) and e.accuracy == one.accuracy}
        assert bool(front & same) == (not beaten)


def test_writes_a_table_and_csv() -> None:
    board = rank(ENTRIES, Rule.parse("best"))
    rows = list(csv.DictReader(to_csv(board).decode().splitlines()))
    assert [row["name"] for row in rows] == ["slow", "middle", "beaten", "fast"]
    assert (rows[0]["accuracy"], rows[0]["accuracy_low"], rows[0]["winner"]) == ("0.995", "0.985", "True")
    assert [row["front"] for row in rows] == ["True", "True", "False", "True"]
    assert to_table(board).row_count == 4


def test_ranks_and_reads_back_a_network_without_macro_f1() -> None:
    """If no frame has a label, the value is null in JSON and empty in the table."""
    without = msgspec.structs.replace(entry("without", 0.995, 10), macro_f1=None)
    board = rank([entry("with", 0.995, 5), without], Rule.parse("best"))
    assert board.winner == "with"
    assert msgspec.json.decode(msgspec.json.encode(board), type=Leaderboard) == board
    rows = {row["name"]: row for row in csv.DictReader(to_csv(board).decode().splitlines())}
    assert (rows["without"]["macro_f1"], rows["with"]["macro_f1"]) == ("", "0.9")
    assert to_table(board).row_count == 2


def test_the_plot_shows_every_network() -> None:
    read: Callable[[bytes], np.ndarray[tuple[int, ...], np.dtype[np.uint8]]] = lambda png: np.asarray(  # noqa: E731
        cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), np.uint8
    )
    every = read(draw(rank(ENTRIES, Rule.parse("best"))))
    without = read(draw(rank(ENTRIES[:3], Rule.parse("best"))))
    assert every.shape == without.shape
    assert np.any(every != without)


def test_the_table_is_readable_in_80_columns() -> None:
    entries = [*ENTRIES, entry("hot-rolled-strip-efficientnet-lite0-augmented-label-smoothing-0.1", 0.99, 123_456.7)]
    text = as_printed(to_table(rank(entries, Rule.parse("best"))))
    assert max(map(len, text.splitlines())) <= 80
    assert {"123,456.7", "0.9950", "batch"} <= set(text.split())
    assert not any(len(word) == 1 and word.isalpha() and word != "s" for word in text.split())


def test_counts_the_changes_that_a_network_withstands() -> None:
    statistics = FrameStatistics(100.0, 10.0, 0.1)
    unchanged = StressPoint(0, 10, 10, 10, 0, 0, statistics)
    changes = [
        StressChange.of(name, "factor", [StressPoint(1, 10, right, right, 10 - right, 0, statistics)], unchanged)
        for name, right in (("darker", 10), ("noise", 2), ("dust", 10))
    ]
    tested = msgspec.structs.replace(ENTRIES[0], stress=StressResults(10, unchanged, changes))
    board = rank([tested, ENTRIES[1]], Rule.parse("best"))
    rows = list(csv.DictReader(to_csv(board).decode().splitlines()))
    assert [row["changes_withstood"] for row in rows] == ["2", ""]
    assert "stress" not in rows[0]
    assert "2 of 3" in as_printed(to_table(board))
    assert msgspec.json.decode(msgspec.json.encode(board), type=Leaderboard) == board
