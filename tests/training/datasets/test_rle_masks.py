import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from stripwatch.training.datasets.rle_masks import Mask, parse_runs
from stripwatch.worker.common.errors import DataError

masks = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)).filter(np.any)


def write_runs(mask: Mask) -> str:
    """The rule of the Kaggle page, in the words of its many kernels."""
    padded = np.concatenate([[0], mask.T.ravel(), [0]]).astype(int)
    runs = np.flatnonzero(padded[1:] != padded[:-1]) + 1
    runs[1::2] -= runs[::2]
    return " ".join(map(str, runs))


@given(masks)
def test_a_mask_comes_back_from_its_runs(mask: Mask) -> None:
    runs = parse_runs(write_runs(mask), mask.shape[0], mask.shape[1], "here")
    np.testing.assert_array_equal(runs.mask(), mask)
    assert runs.area_px == mask.sum()


def test_runs_that_touch_are_one_area() -> None:
    np.testing.assert_array_equal(parse_runs("1 1 2 2", 2, 2, "here").mask(), [[True, True], [True, False]])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no list"),
        ("1 2 3", "is no list"),
        ("1 -2", "is no list"),
        ("1 x", "is no list"),
        ("0 2", "must start at 1"),
        ("1 0", "in order and not overlap"),
        ("3 2 4 1", "in order and not overlap"),
        ("5 1 2 1", "in order and not overlap"),
        ("6 2", "runs to pixel 7, past the last one of an image of 2x3, 6"),
    ],
)
def test_a_wrong_mask_says_where_and_what(text: str, says: str) -> None:
    with pytest.raises(DataError, match=f"file line 3: .*{says}"):
        parse_runs(text, 2, 3, "file line 3")


def test_the_original_rows_have_the_areas_of_the_label_file(shared: Path) -> None:
    folder = shared / "data" / "severstal"
    with (folder / "image_labels_all.csv").open(newline="") as file:
        labels = {row["ImageId"]: row for row in csv.DictReader(file)}
    with (folder / "train_sample_rle.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    for row in rows:
        mask = parse_runs(row["EncodedPixels"], 256, 1600, row["ImageId"]).mask()
        given_pct = float(labels[row["ImageId"]][f"area_pct_{row['ClassId']}"])
        assert 100 * mask.mean() == pytest.approx(given_pct, abs=0.0051)  # it has two digits
