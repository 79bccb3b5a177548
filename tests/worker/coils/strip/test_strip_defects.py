import random
import sys
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.coils.strip import strip_defects
from stripwatch.worker.coils.strip.strip_defects import StripDefects, packed, unpacked
from stripwatch.worker.contracts.coil_summary import PixelSpan, StripDefect
from stripwatch.worker.contracts.frame_info import StripSpan
from tests.worker.coils.samples import defect


def joined(defects: list[StripDefect], join_mm: int = 0) -> list[StripDefect]:
    found = StripDefects(join_mm)
    for one in defects:
        found.add(one)
    return list(found)


def test_scratch_across_three_frames_is_one_defect() -> None:
    parts = [defect(100, 200, (10, 20)), defect(180, 400, (15, 30), 0.97), defect(400, 450, (28, 40))]
    (scratch,) = joined(parts)
    assert scratch == StripDefect("scratches", "top-1", 0.97, StripSpan(100, 450), PixelSpan(10, 40), 3, "e180")


def test_a_merged_defect_has_the_location_across_of_its_best_part() -> None:
    place = {"side": "top", "event_id": "e"}
    parts = [
        defect(100, 200, (10, 20), 0.7, width_mm=9.0, **place),
        defect(150, 250, (15, 30), 0.9, width_mm=5.0, left_edge_mm=70.0, right_edge_mm=900.5, **place),
        defect(220, 300, (25, 40), 0.9, width_mm=5.0, **place),
    ]
    for order in permutations(parts):
        (found,) = joined(list(order))
        assert (found.side, found.width_mm, found.left_edge_mm, found.right_edge_mm) == ("top", 5.0, 70.0, 900.5)
        assert unpacked(packed([found])) == (found,)


@pytest.mark.parametrize(
    "other",
    [
        defect(150, 250, (50, 60)),
        defect(201, 250, (10, 20)),
        defect(150, 250, (10, 20), camera="top-2"),
        defect(150, 250, (10, 20), label="pits"),
    ],
    ids=["beside it", "after it", "another camera", "another class"],
)
def test_separate_defects_are_not_merged(other: StripDefect) -> None:
    assert len(joined([defect(100, 200, (10, 20)), other])) == 2


def test_part_without_a_box_spans_the_whole_width() -> None:
    (found,) = joined([defect(100, 200, (10, 20)), defect(300, 400, (50, 60)), defect(150, 350)])
    assert (found.strip_mm, found.across_px, found.parts) == (StripSpan(100, 400), None, 3)


@st.composite
def many_defects(draw: st.DrawFn) -> list[StripDefect]:
    place = st.tuples(st.integers(0, 60), st.integers(0, 25))
    rows = st.none() | st.tuples(st.integers(0, 20), st.integers(0, 8)).map(lambda t: (t[0], t[0] + t[1]))
    found = draw(st.lists(st.tuples(place, rows, st.sampled_from([0.5, 0.7]), st.sampled_from("ab")), max_size=25))
    return [
        defect(start, start + length, across, score, label=label, event_id=f"e{number}")
        for number, ((start, length), across, score, label) in enumerate(found)
    ]


@given(many_defects(), st.integers(0, 5), st.randoms())
def test_result_is_independent_of_the_order_of_arrival(
    defects: list[StripDefect], join_mm: int, rng: random.Random
) -> None:
    shuffled = rng.sample(defects, len(defects))
    found = sorted(joined(defects, join_mm), key=repr)
    assert found == sorted(joined(shuffled, join_mm), key=repr)
    assert sum(one.parts for one in found) == len(defects)


def by_definition(defects: list[StripDefect], join_mm: int) -> list[StripDefect]:
    """Merge any two defects that touch until none do."""
    apart = list(defects)
    while pair := next(
        ((a, b) for a, b in combinations(apart, 2) if len(joined([a, b], join_mm)) == 1),
        None,
    ):
        apart = [one for one in apart if one is not pair[0] and one is not pair[1]] + joined(list(pair), join_mm)
    return apart


@given(many_defects(), st.integers(0, 5))
def test_search_merges_exactly_the_defects_that_touch(defects: list[StripDefect], join_mm: int) -> None:
    assert sorted(joined(defects, join_mm), key=repr) == sorted(by_definition(defects, join_mm), key=repr)


def test_long_defect_does_not_increase_the_number_of_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples have an edge defect along the whole coil and a pit next to it in each frame, with varying rows."""

    def compared(frames: int) -> int:
        comparisons = 0

        def counted(a: PixelSpan | None, b: PixelSpan | None) -> bool:
            nonlocal comparisons
            comparisons += 1
            return a is None or b is None or (a.start <= b.end and b.start <= a.end)

        monkeypatch.setattr(strip_defects, "_share_rows", counted)
        parts = []
        for number in range(frames):
            start = number * 200
            parts += [defect(start, start + 200, (0, 20 + number % 7)), defect(start + 50, start + 60, (100, 110))]
        assert len(joined(parts)) == frames + 1
        return comparisons

    few, many = compared(500), compared(2000)
    assert many < 5 * few, f"{few} comparisons for 500 frames, {many} for 2,000"


@given(many_defects())
def test_packed_defects_can_be_unpacked(defects: list[StripDefect]) -> None:
    assert list(unpacked(packed(defects))) == defects


def test_packed_defects_take_less_than_half_of_the_memory() -> None:
    one = defect(1_000_000, 1_000_200, (100, 900), event_id="0123456789abcdef0123456789abcdef")
    parts = (one, one.strip_mm, one.across_px, one.score, one.strip_mm.start, one.strip_mm.end)
    assert 2 * len(packed([one] * 10)) < 10 * sum(map(sys.getsizeof, parts))


@given(many_defects(), st.integers(0, 5))
def test_merged_rectangles_are_separate(defects: list[StripDefect], join_mm: int) -> None:
    once = joined(defects, join_mm)
    assert sorted(joined(once, join_mm), key=repr) == sorted(once, key=repr)
