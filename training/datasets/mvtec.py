"""Layout `mvtec`: one category of MVTec AD (https://www.mvtec.com/company/research/datasets/mvtec-ad).

train/good/000.png                          clean
test/good/000.png                           clean
test/scratch/000.png                        label "scratch"
ground_truth/scratch/000_mask.png           mask of test/scratch/000.png

VisA in the structure of MVTec AD, MVTec LOCO and BTAD have these folders, too.
"""

from collections.abc import Iterator
from pathlib import Path

from stripwatch.training.datasets.samples import Sample, find_images
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import name_below

TRAIN, TEST, MASKS = "train", "test", "ground_truth"
_CLEAN = frozenset({"good", "ok"})


def is_mvtec(root: Path) -> bool:
    """Return whether a folder has the subfolders of a category."""
    return all((root / name).is_dir() for name in (TRAIN, TEST, MASKS))


def find_categories(root: Path) -> list[str]:
    """Return the names of the subfolders that are categories."""
    return sorted(path.name for path in root.iterdir() if path.is_dir() and is_mvtec(path))


def read_mvtec(root: Path) -> Iterator[Sample]:
    """Read layout `mvtec`: the class is the folder below train or test; good images have no label.

    Raises DataError for an image outside these folders.
    """
    if not is_mvtec(root):
        raise DataError(f"{root} does not have the folders {TRAIN}, {TEST} and {MASKS} of layout mvtec")
    samples = []
    for path in find_images(root):
        name = name_below(root, path)
        part, *folders = name.split("/")[:-1] or [""]
        if part not in (TRAIN, TEST) or not folders:
            raise DataError(f"{path} is not in a folder of a class below {TRAIN} or {TEST}, as layout mvtec requires")
        label = folders[0]
        samples.append(Sample(name, () if label.lower() in _CLEAN else (label,)))
    return iter(samples)
