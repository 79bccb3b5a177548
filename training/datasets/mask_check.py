"""Check that masks and annotations in a data folder are not confused with classes."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

import cv2
import numpy as np

from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import file_below, path_text
from stripwatch.worker.images.folders.mask_files import LOSSLESS, annotation_folder, masked_name
from stripwatch.worker.images.image_files import ImageFolder

_CHECKED_PER_FOLDER = 3
# A mask has few values, apart from edges that were smoothed.
_MASK_VALUES, _MASK_SHARE = 8, 0.9


def check_annotation_folders(root: Path, names: Iterable[str]) -> None:
    """Raise DataError if samples are in a folder named like annotations that does not hold masks of other images."""
    for name in names:
        path = file_below(root, name)
        folder = annotation_folder(root, path.parent)
        if folder is not None:
            if path.suffix.lower() not in LOSSLESS and not _is_photograph(path):
                raise DataError(_lossy_text(path))
            raise DataError(
                f"the folder {path_text(folder)} is named like annotations, but {path_text(path.name)} is not the mask "
                "of another image. If it is a class, rename the folder or list the images in manifest.csv; otherwise "
                "move it out of the data folder"
            )


def check_lossy_masks(root: Path, names: Collection[str]) -> None:
    """Raise DataError if a sample in a format with losses is the mask of another one by its name and its content."""
    stems = {file_below(root, name).with_suffix("") for name in names}
    for name in names:
        path = file_below(root, name)
        base = masked_name(path.stem)
        lossy = path.suffix.lower() not in LOSSLESS
        if lossy and base != path.stem and path.with_name(base) in stems and not _is_photograph(path):
            raise DataError(_lossy_text(path))


def _lossy_text(path: Path) -> str:
    return (
        f"{path_text(path)} looks like the mask of another image, but {path.suffix} files change the values of pixels. "
        "Export masks as PNG, or move them out of the data folder"
    )


def check_masks(found: ImageFolder) -> None:
    """Raise DataError if a file that was skipped as a mask because of its name looks like a photograph.

    Opens up to three files per folder.
    """
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for path in found.masks:
        by_folder[path.parent].append(path)
    for paths in by_folder.values():
        for path in paths[:_CHECKED_PER_FOLDER]:
            if _is_photograph(path):
                raise DataError(
                    f"{path_text(path)} is named like the mask of another image, but looks like a photograph. Rename "
                    "it if it belongs to a class; otherwise move it out of the data folder"
                )


def _is_photograph(path: Path) -> bool:
    """Return whether an image has more values than a mask; False for a file that cannot be read."""
    try:
        encoded = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return False
    pixels = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if encoded.size else None
    if pixels is None:
        return False
    values = pixels.max(axis=2) if pixels.ndim == 3 else pixels
    counts = np.unique(values, return_counts=True)[1]
    return bool(np.sort(counts)[-_MASK_VALUES:].sum() < _MASK_SHARE * values.size)
