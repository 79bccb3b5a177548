"""Masks as images: pixels that are not 0 belong to the defect. The label is the only label of the image."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from stripwatch.training.datasets.formats.marks import ImageMarks, Shape
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.formats.rle_masks import Mask, encode_mask
from stripwatch.worker.common.atomic_files import read_whole
from stripwatch.worker.common.errors import DataError, StripwatchError
from stripwatch.worker.common.path_text import name_below
from stripwatch.worker.images.folders.mask_files import masked_name

_VALUES_MAX = 2


def read_masks(root: Path, files: Iterable[Path], problems: Problems) -> Iterator[ImageMarks]:
    """Read masks. The image is the one with the name of the file, without a suffix such as _mask or _GT."""
    for path in files:
        try:
            mask = read_mask(path)
        except StripwatchError as error:
            problems.add(str(error))
            continue
        name = name_below(root, path.with_name(masked_name(path.stem)))
        shapes = [Shape("", runs=encode_mask(mask))] if mask.any() else []
        height_px, width_px = mask.shape
        yield ImageMarks(name, str(path), width_px, height_px, shapes, suffixed=False)


def read_mask(path: Path) -> Mask:
    """Read a mask as bool [height, width]. Raises InputError, or DataError if it has more than two values."""
    encoded = np.frombuffer(read_whole(path), np.uint8)
    pixels = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if encoded.size else None
    if pixels is None:
        raise DataError(f"{path} cannot be read as an image")
    if pixels.ndim == 3:
        pixels = pixels[..., :3].max(axis=2)
    values = np.unique(pixels)
    if len(values) > _VALUES_MAX:
        raise DataError(
            f"{path} has {len(values)} values, such as {', '.join(map(str, values[:4]))}; a mask has two, 0 and "
            "another. Export boxes or polygons for images with several classes"
        )
    return np.asarray(pixels > 0)
