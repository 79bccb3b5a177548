import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.coils.strip_defects import PixelSpan, StripDefect, StripDefects
from stripwatch.worker.contracts.events import StripSpan


def defect(
    start: int, end: int, rows: tuple[int, int] | None = None, score: float = 0.9, **changes: str
) -> StripDefect:
    names = {"label": "scratches", "camera": "top-1", "event_id": f"e{start}"} | changes
    across = PixelSpan(*rows) if rows else None
    return StripDefect(strip_mm=StripSpan(start, end), across_px=across, score=score, parts=1, **names)


def joined(defects: list[StripDefect], join_mm: int = 0) -> list[StripDefect]:
    found = StripDefects(join_mm)
    for one in defects:
        found.add(one)
    return list(found)


def test_a_scratch_over_three_frames_is_one_defect() -> None:
    parts = [defect(100, 200, (10, 20)), defect(180, 400, (15, 30), 0.97), defect(400, 450, (28, 40))]
    (scratch,) = joined(parts)
    assert scratch == StripDefect("scratches", "top-1", 0.97, StripSpan(100, 450), PixelSpan(10, 40), 3, "e180")


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
def test_what_does_not_touch_stays_apart(other: StripDefect) -> None:
    assert len(joined([defect(100, 200, (10, 20)), other])) == 2


def test_a_part_without_a_box_takes_the_whole_width() -> None:
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
def test_the_order_of_arrival_does_not_matter(defects: list[StripDefect], join_mm: int, rng: random.Random) -> None:
    shuffled = rng.sample(defects, len(defects))
    found = sorted(joined(defects, join_mm), key=repr)
    assert found == sorted(joined(shuffled, join_mm), key=repr)
    assert sum(one.parts for one in found) == len(defects)


@given(many_defects(), st.integers(0, 5))
def test_what_is_left_is_apart(defects: list[StripDefect], join_mm: int) -> None:
    once = joined(defects, join_mm)
    assert sorted(joined(once, join_mm), key=repr) == sorted(once, key=repr)
