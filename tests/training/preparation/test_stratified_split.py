from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.training.preparation.stratified_split import fold_frames, split_frames
from stripwatch.worker.common.errors import DataError

shares = st.floats(0.05, 0.6)
seeds = st.integers(0, 1000)


@st.composite
def labelled_groups(draw: st.DrawFn) -> tuple[list[tuple[str, ...]], list[int]]:
    """Generate two to four labels, each with two to twelve groups of one to three frames, in any order."""
    frames: list[tuple[tuple[str, ...], int]] = []
    for label in "abcd"[: draw(st.integers(2, 4))]:
        for group, size in enumerate(draw(st.lists(st.integers(1, 3), min_size=2, max_size=12))):
            frames += [((label,), 100 * ord(label) + group)] * size
    shuffled = draw(st.permutations(frames))
    return [label for label, _ in shuffled], [group for _, group in shuffled]


@given(labelled_groups(), shares, seeds)
def test_every_frame_is_in_one_part_and_groups_stay_together(
    frames: tuple[list[tuple[str, ...]], list[int]], share: float, seed: int
) -> None:
    labels, groups = frames
    parts = split_frames(labels, groups, share, seed)
    assert sorted(parts.train + parts.validation) == list(range(len(labels)))
    assert not {groups[at] for at in parts.train} & {groups[at] for at in parts.validation}


@given(labelled_groups(), shares, seeds)
def test_every_label_is_in_both_parts_and_near_its_share(
    frames: tuple[list[tuple[str, ...]], list[int]], share: float, seed: int
) -> None:
    labels, groups = frames
    parts = split_frames(labels, groups, share, seed)
    everywhere = Counter(labels)
    validation = Counter(labels[at] for at in parts.validation)
    for label, count in everywhere.items():
        assert 1 <= validation[label] < count
        assert abs(validation[label] - share * count) <= 3  # differs by one group at most


@given(st.integers(10, 60), shares, seeds)
def test_splits_single_frames_at_the_exact_share(count: int, share: float, seed: int) -> None:
    labels = [("a",)] * count + [("b",)] * count
    parts = split_frames(labels, range(2 * count), share, seed)
    for label in "ab":
        assert abs(Counter(labels[at] for at in parts.validation)[(label,)] - max(1, share * count)) <= 0.5 + 1e-9


def test_the_seed_determines_the_split() -> None:
    labels, groups = [("a",)] * 50 + [("b",)] * 50, range(100)
    assert split_frames(labels, groups, 0.2, 1) == split_frames(labels, groups, 0.2, 1)
    assert split_frames(labels, groups, 0.2, 1) != split_frames(labels, groups, 0.2, 2)


def test_rejects_a_label_with_one_picture() -> None:
    with pytest.raises(DataError, match="class 'b' cannot be in each of 2 parts"):
        split_frames([("a",), ("a",), ("b",), ("b",)], [1, 2, 3, 3], 0.5, 0)
    parts = split_frames([("a",), ("a",), ("b",), ("b",)], [1, 2, 3, 3], 0.5, 0, every=False)
    assert set(parts.train) >= {2, 3}


def test_names_all_labels_that_have_too_few_groups() -> None:
    labels, groups = [("a",), ("b",), ("b",), ("c",), ("c",)], [1, 2, 2, 3, 4]
    with pytest.raises(DataError, match=r"classes 'a' \(1 group\), 'b' \(1 group\) cannot be in each of 2 parts"):
        split_frames(labels, groups, 0.5, 0)


@st.composite
def coils(draw: st.DrawFn) -> tuple[list[tuple[str, ...]], list[int]]:
    """Generate frames with any labels, in groups with mixed labels."""
    label_sets = st.sampled_from([(), ("a",), ("b",), ("a", "b")])
    frames = draw(st.lists(st.tuples(label_sets, st.integers(0, 12)), min_size=30, max_size=60))
    every = [((label,), 100 + at) for at, label in enumerate("aaaaabbbbb")]  # makes the split possible
    return [found for found, _ in frames + every], [group for _, group in frames + every]


@given(coils(), st.integers(2, 5), seeds)
def test_folds_keep_groups_together_score_each_frame_once_and_have_all_labels(
    frames: tuple[list[tuple[str, ...]], list[int]], folds: int, seed: int
) -> None:
    labels, groups = frames
    parts = fold_frames(labels, groups, folds, seed)
    assert sorted(at for part in parts for at in part.validation) == list(range(len(labels)))
    for part in parts:
        assert sorted(part.train + part.validation) == list(range(len(labels)))
        assert not {groups[at] for at in part.train} & {groups[at] for at in part.validation}
        for positions in (part.train, part.validation):
            assert {label for at in positions for label in labels[at]} == {"a", "b"}


def test_label_sets_keep_their_share_in_each_fold() -> None:
    labels: list[tuple[str, ...]] = [()] * 50 + [("a",)] * 30 + [("b",)] * 20 + [("a", "b")] * 10
    for part in fold_frames(labels, range(110), 5, 3):
        assert Counter(labels[at] for at in part.validation) == {(): 10, ("a",): 6, ("b",): 4, ("a", "b"): 2}


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3])
def test_a_rare_pair_of_labels_keeps_its_share(share: float) -> None:
    """Use a tenth of the label sets of Severstal."""
    counts: dict[tuple[str, ...], int] = {(): 590, ("3",): 476, ("1",): 77, ("4",): 52, ("3", "4"): 28, ("1", "3"): 9}
    labels = [found for found, count in counts.items() for _ in range(count)]
    validation = Counter(labels[at] for at in split_frames(labels, range(len(labels)), share, 0).validation)
    for found, count in counts.items():
        assert abs(validation[found] - share * count) < 1


def test_rejects_three_folds_with_two_images_of_a_class() -> None:
    with pytest.raises(DataError, match=r"class 'b' cannot be in each of 3 parts.* which leaves 2 groups"):
        fold_frames([("a",)] * 9 + [("b",)] * 2, range(11), 3, 0)
