"""Layout `severstal`: the Kaggle set "Severstal: Steel Defect Detection" as it is shipped.

train.csv has a row for each image and class with a run-length mask, in one of two column layouts; train_images/ holds
the images. An image without a mask is clean.
"""

from collections.abc import Iterator
from pathlib import Path

from stripwatch.training.datasets.csv_rows import Row, read_rows
from stripwatch.training.datasets.rle_masks import RunLengthMask, parse_runs
from stripwatch.training.datasets.samples import Sample, find_images
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import name_below

CSV_FILE, IMAGE_FOLDER = "train.csv", "train_images"
HEIGHT_PX, WIDTH_PX = 256, 1600
_COMBINED = ["ImageId_ClassId", "EncodedPixels"]
_SEPARATE = ["ImageId", "ClassId", "EncodedPixels"]
_CLASS_IDS = ("1", "2", "3", "4")


def read_severstal(root: Path) -> Iterator[Sample]:
    """Every image of train_images/, with labels "defect_1" to "defect_4"."""
    masks = read_severstal_masks(root)
    return (Sample(name, tuple(sorted(found))) for name, found in masks.items())


def read_severstal_masks(root: Path) -> dict[str, dict[str, RunLengthMask]]:
    """The masks of each image by its name from the data folder, then by label; none for a clean one.

    Raises DataError, with the line, for a mask that is malformed, double or runs past the image, and for one whose
    image is not there.
    """
    path, folder = root / CSV_FILE, root / IMAGE_FOLDER
    if not folder.is_dir():
        raise DataError(f"{path} is there, and the folder {folder} of its images is not")
    columns, rows = read_rows(path)
    if columns not in (_COMBINED, _SEPARATE):
        raise DataError(f"{path} has columns {', '.join(columns)}; known are {_COMBINED} and {_SEPARATE}")
    masks: dict[str, dict[str, RunLengthMask]] = {
        name_below(root, image): {} for image in find_images(folder) if image.parent == folder
    }
    for where, row in rows:
        image, class_id = _key(row, where)
        name, label = f"{IMAGE_FOLDER}/{image}", f"defect_{class_id}"
        if name not in masks:
            raise DataError(f"{where}: there is no image {root / name}")
        if not row["EncodedPixels"]:
            continue
        if label in masks[name]:
            raise DataError(f"{where}: {image} has class {class_id} above already")
        masks[name][label] = parse_runs(row["EncodedPixels"], HEIGHT_PX, WIDTH_PX, where)
    return masks


def _key(row: Row, where: str) -> tuple[str, str]:
    if "ClassId" in row:
        image, class_id = row["ImageId"], row["ClassId"]
    else:
        image, _, class_id = row["ImageId_ClassId"].rpartition("_")
    if class_id not in _CLASS_IDS:
        raise DataError(f"{where}: class {class_id!r} is none of {', '.join(_CLASS_IDS)}")
    return image, class_id
