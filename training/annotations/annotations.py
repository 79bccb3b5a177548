"""Annotations of the locations of labels on an image: boxes or run-length masks, depending on the data set."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from stripwatch.training.datasets.formats.marks import LabelledBox
from stripwatch.training.datasets.formats.rle_masks import Mask, RunLengthMask

Raster = NDArray[np.uint8]
UNKNOWN = 255  # raster value of an image that has not been annotated


@dataclass(frozen=True, slots=True)
class Annotations:
    """Annotations of one image. height_px, width_px: size of the image file."""

    height_px: int
    width_px: int
    boxes: tuple[LabelledBox, ...] = ()
    masks: Mapping[str, RunLengthMask] = field(default_factory=dict)

    @property
    def labels(self) -> set[str]:
        """Return the labels that have a box or mask."""
        return {box.label for box in self.boxes} | set(self.masks)

    def mask(self, label: str) -> Mask:
        """Return bool [height_px, width_px], true inside any box or mask of the label."""
        inside = np.zeros((self.height_px, self.width_px), bool)
        for box in self.boxes:
            if box.label == label:
                inside[box.top : box.bottom, box.left : box.right] = True
        return inside | self.masks[label].mask() if label in self.masks else inside

    def rectangles(self, label: str) -> list[LabelledBox]:
        """Return the boxes of the label, and a box around each connected part of its mask."""
        found = [box for box in self.boxes if box.label == label]
        if label in self.masks:
            stats = cv2.connectedComponentsWithStats(self.masks[label].mask().astype(np.uint8), connectivity=8)[2]
            found += [LabelledBox(label, x, y, x + width, y + height) for x, y, width, height, _ in stats[1:].tolist()]
        return found


def relabelled(marks: Annotations, label: str) -> Annotations:
    """Return the annotations with one label for all boxes and masks. Masks become the boxes around their parts."""
    every = [box for each in marks.labels for box in marks.rectangles(each)]
    return Annotations(marks.height_px, marks.width_px, tuple(replace(box, label=label) for box in every))


CLEAN = Annotations(1, 1)  # a clean image of any size


def rasterise(marks: Annotations | None, labels: Sequence[str], height_px: int, width_px: int) -> Raster:
    """Rasterise annotations to uint8 [height_px, width_px, labels].

    A value is 1 inside an annotation of the label and 0 outside. All values are UNKNOWN if marks is None.
    """
    if marks is None:
        return np.full((height_px, width_px, len(labels)), UNKNOWN, np.uint8)
    raster = np.zeros((height_px, width_px, len(labels)), np.uint8)
    for at, label in enumerate(labels):
        if label in marks.labels:
            mask = marks.mask(label).astype(np.uint8)
            raster[..., at] = cv2.resize(mask, (width_px, height_px), interpolation=cv2.INTER_NEAREST)
    return raster


def annotations_sha256(marks: Mapping[str, Annotations]) -> str:
    """Return one SHA-256 over the annotations of all images."""
    digest = hashlib.sha256()
    for name in sorted(marks):
        digest.update(f"{name}\0{_text(marks[name])}\n".encode())
    return digest.hexdigest()


def _text(marks: Annotations) -> str:
    boxes = sorted((box.label, box.left, box.top, box.right, box.bottom) for box in marks.boxes)
    masks = {label: (runs.starts.tolist(), runs.lengths.tolist()) for label, runs in sorted(marks.masks.items())}
    return f"{marks.height_px}x{marks.width_px} {boxes} {masks}"
