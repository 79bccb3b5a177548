import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays

from stripwatch.training.datasets.formats.rle_masks import Mask, parse_runs
from stripwatch.worker.common.errors import DataError

masks = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12)).filter(np.any)


def write_runs(mask: Mask) -> str:
    """Encode a mask by the rule on the Kaggle page, as implemented in its kernels."""
    padded = np.concatenate([[0], mask.T.ravel(), [0]]).astype(int)
    runs = np.flatnonzero(padded[1:] != padded[:-1]) + 1
    runs[1::2] -= runs[::2]
    return " ".join(map(str, runs))


@given(masks)
def test_decodes_a_mask_from_its_runs(mask: Mask) -> None:
    runs = parse_runs(write_runs(mask), mask.shape[0], mask.shape[1], "here")
    np.testing.assert_array_equal(runs.mask(), mask)
    assert runs.area_px == mask.sum()


def test_adjacent_runs_form_one_area() -> None:
    np.testing.assert_array_equal(parse_runs("1 1 2 2", 2, 2, "here").mask(), [[True, True], [True, False]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a list"),
        ("1 2 3", "is not a list"),
        ("1 -2", "is not a list"),
        ("1 x", "is not a list"),
        ("0 2", "must start at 1"),
        ("1 0", "in order and not overlap"),
        ("3 2 4 1", "in order and not overlap"),
        ("5 1 2 1", "in order and not overlap"),
        ("6 2", "extends to pixel 7, but an image of 2x3 has only 6"),
    ],
)
def test_names_the_line_and_fault_of_a_malformed_mask(text: str, message: str) -> None:
    with pytest.raises(DataError, match=f"file line 3: .*{message}"):
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
        assert 100 * mask.mean() == pytest.approx(given_pct, abs=0.0051)  # the number has two digits
