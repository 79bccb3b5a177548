"""Masks as images: pixels that are not background belong to a defect.

Without names, a mask has two values (0 and 1, 0 and 255, black and one colour), and the label is the only label of the
image. Grey values between the two are accepted along the edges, where drawing programs smooth them. With names in
labelmap.txt or _classes.csv (`masks.class_values`), each value is a class.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stripwatch.training.datasets.formats.marks import ImageMarks, Shape
from stripwatch.training.datasets.formats.masks.class_values import (
    CLASS_TABLE,
    LABEL_MAP,
    colour_value,
    find_class_values,
    value_text,
)
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.formats.rle_masks import Mask, encode_mask
from stripwatch.worker.common.atomic_files import read_whole
from stripwatch.worker.common.errors import DataError, StripwatchError
from stripwatch.worker.common.path_text import name_below
from stripwatch.worker.images.folders.mask_files import masked_name

Values = NDArray[np.int32]
_EDGE_PX = 2  # smoothing reaches this far from a pixel of either side
_NAMED_MAX = 4
_VOC_BORDER = colour_value(224, 224, 192)  # Pascal VOC: border of an object, which belongs to no class


def read_masks(root: Path, files: Sequence[Path], problems: Problems) -> Iterator[ImageMarks]:
    """Read masks. The image is the one with the name of the file, without a suffix such as _mask or _GT."""
    try:
        classes = find_class_values(_folders(root, files))
    except DataError as error:
        problems.add(str(error))
        return
    for path in files:
        try:
            values = _read_values(path)
            shapes = _class_shapes(values, classes, path) if classes else _one_shape(values, path)
        except StripwatchError as error:
            problems.add(str(error))
            continue
        name = name_below(root, path.with_name(masked_name(path.stem)))
        height_px, width_px = values.shape
        yield ImageMarks(name, str(path), width_px, height_px, shapes, suffixed=False)


def has_class_values(root: Path, files: Sequence[Path]) -> bool:
    """Return whether a file next to masks has the classes of their values. Raises DataError if it is malformed."""
    return bool(files) and find_class_values(_folders(root, files)) is not None


def _folders(root: Path, files: Sequence[Path]) -> list[Path]:
    beside = sorted({path.parent for path in files})
    return list(dict.fromkeys([root, *beside, *(folder.parent for folder in beside)]))


def read_mask(path: Path) -> Mask:
    """Read a mask of one class as bool [height, width].

    Raises InputError, or DataError if it has more than two values apart from smoothed edges, or no background.
    """
    return _inside(_read_values(path), path)


def _read_values(path: Path) -> Values:
    """Return the value of each pixel, int32 [height, width], as numbered by `colour_value`."""
    encoded = np.frombuffer(read_whole(path), np.uint8)
    pixels = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if encoded.size else None
    if pixels is None:
        raise DataError(f"{path} cannot be read as an image")
    if pixels.ndim == 2:
        return pixels.astype(np.int32)
    if pixels.shape[2] == 4 and (pixels[..., :3] == pixels[0, 0, :3]).all() and not _is_opaque(pixels):
        return pixels[..., 3].astype(np.int32)  # drawn on a transparent layer
    blue, green, red = (pixels[..., at].astype(np.int32) for at in range(3))
    coloured = colour_value(0, 0, 1) - 1 + (red << 16) + (green << 8) + blue
    return np.where((red == green) & (green == blue), red, coloured).astype(np.int32)


def _is_opaque(pixels: NDArray[Any]) -> bool:
    """Return whether the alpha channel says nothing, as in a black mask of a clean image."""
    return bool((pixels[..., 3] == np.iinfo(pixels.dtype).max).all())


def _one_shape(values: Values, path: Path) -> list[Shape]:
    inside = _inside(values, path)
    return [Shape("", runs=encode_mask(inside))] if inside.any() else []


def _inside(values: Values, path: Path) -> Mask:
    found = np.unique(values)
    if len(found) == 1 and found[0] != 0:
        raise DataError(
            f"{path} has no background, since every pixel has the value {value_text(int(found[0]))}. Draw the defect "
            "on a background of 0, or mark a defect that fills the image with a box"
        )
    if len(found) == 1 or (len(found) == 2 and found[0] == 0):
        return np.asarray(values > 0)
    if found[0] == 0 and found[-1] <= np.iinfo(np.uint16).max:
        inside = np.asarray(values > found[-1] // 2)
        if _only_at_edges((values > 0) & (values < found[-1]), inside):
            return inside
    named = ", ".join(value_text(int(value)) for value in found[:_NAMED_MAX])
    raise DataError(
        f"{path} has {len(found)} values, such as {named}; a mask of one class has two, 0 and another. For a mask of "
        f"several classes add {LABEL_MAP} or {CLASS_TABLE} with their names, or export boxes or polygons"
    )


def _only_at_edges(between: Mask, inside: Mask) -> bool:
    """Return whether all grey pixels are near the edge of a mask."""
    kernel = np.ones((2 * _EDGE_PX + 1, 2 * _EDGE_PX + 1), np.uint8)
    edges = cv2.morphologyEx(inside.astype(np.uint8), cv2.MORPH_GRADIENT, kernel).astype(bool)
    return not (between & ~edges).any()


def _class_shapes(values: Values, classes: dict[int, str], path: Path) -> list[Shape]:
    shapes = []
    for value in np.unique(values).tolist():
        if value not in classes and value not in (0, _VOC_BORDER):  # 0 is the background unless it is named
            known = ", ".join(f"{value_text(each)} {label}" for each, label in classes.items() if label)
            raise DataError(f"{path} has the value {value_text(value)}, which has no class; known: {known}")
        if label := classes.get(value):
            shapes.append(Shape(label, runs=encode_mask(values == value)))
    return shapes
