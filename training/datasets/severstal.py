"""Layout `severstal`: the Kaggle data set "Severstal: Steel Defect Detection", as published and as people store it.

train.csv has a row with a run-length mask for each image and class, in one of two column layouts. train_images/ holds
the images. An image without a mask is clean. Source: https://www.kaggle.com/c/severstal-steel-defect-detection.

Spreadsheets and pandas add an index column, change the order of the columns, write classes as 1.0 and empty masks as
nan, and add rows for clean images, with an empty class or class 0. All of this is read.
"""

from collections.abc import Iterator
from pathlib import Path

from stripwatch.training.datasets.csv_rows import Row, read_rows
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.formats.rle_masks import RunLengthMask, parse_runs
from stripwatch.training.datasets.samples import Sample, find_images
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import name_below

CSV_FILE, IMAGE_FOLDER = "train.csv", "train_images"
HEIGHT_PX, WIDTH_PX = 256, 1600
_COMBINED = ["ImageId_ClassId", "EncodedPixels"]
_SEPARATE = ["ImageId", "ClassId", "EncodedPixels"]
_CLASS_IDS = ("1", "2", "3", "4")
_EMPTY = frozenset({"", "nan", "none", "null", "na", "n/a", "<na>"})
_NO_CLASS = _EMPTY | {"0"}


def read_severstal(root: Path) -> Iterator[Sample]:
    """Read layout `severstal`: every image of train_images/, with the labels "defect_1" to "defect_4"."""
    masks = read_severstal_masks(root)
    return (Sample(name, tuple(sorted(found))) for name, found in masks.items())


def read_severstal_masks(root: Path) -> dict[str, dict[str, RunLengthMask]]:
    """Return the masks by image name, then by label; an empty dict for a clean image.

    Raises DataError, with all lines concerned, for a mask that is malformed, repeated or extends past the image, and
    for a row whose image is missing.
    """
    path, folder = root / CSV_FILE, root / IMAGE_FOLDER
    if not folder.is_dir():
        raise DataError(f"the image folder {folder} that belongs to {path} does not exist")
    problems = Problems(str(path))
    columns, rows = read_rows(path, problems)
    if not any(set(wanted) <= set(columns) for wanted in (_COMBINED, _SEPARATE)):
        raise DataError(f"{path} has the columns {', '.join(columns)}; expected {_COMBINED} or {_SEPARATE}")
    masks: dict[str, dict[str, RunLengthMask]] = {
        name_below(root, image): {} for image in find_images(folder) if image.parent == folder
    }
    for where, row in rows:
        try:
            _add(masks, root, row, where)
        except DataError as error:
            problems.add(str(error))
    problems.check()
    return masks


def _add(masks: dict[str, dict[str, RunLengthMask]], root: Path, row: Row, where: str) -> None:
    """Add the mask of a row. Raises DataError if the row is invalid."""
    image, class_id = _key(row, where)
    name, runs = f"{IMAGE_FOLDER}/{image}", row["EncodedPixels"]
    if name not in masks:
        raise DataError(f"{where}: the image {root / name} does not exist")
    if runs.casefold() in _EMPTY:
        return
    if class_id is None:
        raise DataError(f"{where}: {image} has a mask but no class; enter a class from {', '.join(_CLASS_IDS)}")
    label = f"defect_{class_id}"
    if label in masks[name]:
        raise DataError(f"{where}: {image} already has a row for class {class_id}")
    masks[name][label] = parse_runs(runs, HEIGHT_PX, WIDTH_PX, where)


def _key(row: Row, where: str) -> tuple[str, str | None]:
    """Return the image and the class of a row; None if it has no class, as a clean image."""
    if "ClassId" in row:
        image, class_id = row["ImageId"], row["ClassId"]
    else:
        image, _, class_id = row["ImageId_ClassId"].rpartition("_")
    class_id = class_id.removesuffix(".0")
    if class_id.casefold() in _NO_CLASS:
        return image, None
    if class_id not in _CLASS_IDS:
        raise DataError(f"{where}: class {class_id!r} is unknown; expected one of {', '.join(_CLASS_IDS)}")
    return image, class_id
