"""Small images for the page of a survey, with the boxes of the annotations drawn on request."""

from dataclasses import dataclass

import cv2
import numpy as np

from stripwatch.export.reporting.figures import decode_tile
from stripwatch.export.reporting.html import inline
from stripwatch.export.runs.files import read_whole
from stripwatch.training.annotations.annotations import Annotations
from stripwatch.training.survey.survey import Survey
from stripwatch.worker.common.errors import FrameRejected, InputError
from stripwatch.worker.common.path_text import file_below
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels

_WIDTH_PX_MAX = 720
_JPEG_QUALITY = 82
_AGREED, _OTHER = (0, 114, 178), (213, 94, 0)  # blue and vermilion of Okabe and Ito
_LINE_PX = 2


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small image. url: data URL of a JPEG file. aspect: width divided by height."""

    url: str
    aspect: float


class Thumbnails:
    """Makes the thumbnails of the images of a data set, each once.

    Args:
        found: Result of the survey.
    """

    def __init__(self, found: Survey) -> None:
        self._root = found.dataset.root
        self._depth = DecodeSpec(1, 1, bit_depth=found.bit_depth)
        self._marks = found.annotations.marks if found.annotations else {}
        self._labels = {sample.name: sample.labels for sample in found.samples}
        self._made: dict[tuple[str, bool], Thumbnail | None] = {}

    def make(self, name: str, boxes: bool = False) -> Thumbnail | None:
        """Return the thumbnail of an image, or None if it cannot be read. boxes: draw boxes and outlines of masks."""
        key = name, boxes and name in self._marks
        if key not in self._made:
            self._made[key] = self._make(*key)
        return self._made[key]

    def labels(self, name: str) -> str:
        """Return the labels of an image, for captions."""
        if name not in self._labels:
            return "not in the data set"  # a test image
        return ", ".join(self._labels[name]) or "no label"

    def _make(self, name: str, boxes: bool) -> Thumbnail | None:
        try:
            pixels = decode_tile(read_whole(file_below(self._root, name)), self._depth)
        except (FrameRejected, InputError):
            return None
        height, width = pixels.shape[:2]
        if width > _WIDTH_PX_MAX:
            size = _WIDTH_PX_MAX, max(1, round(height * _WIDTH_PX_MAX / width))
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        if boxes:
            pixels = _with_boxes(pixels, self._marks[name], self._labels.get(name, ()))
        encoded = cv2.imencode(
            ".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        )[1]
        return Thumbnail(inline(encoded.tobytes()), width / height)


def _with_boxes(pixels: Pixels, marks: Annotations, labels: tuple[str, ...]) -> Pixels:
    """Return a copy with boxes in blue, or in vermilion if the image does not have their label."""
    drawn = pixels.copy()
    height, width = drawn.shape[:2]
    across, down = width / marks.width_px, height / marks.height_px
    for box in [box for label in marks.labels for box in marks.rectangles(label)]:
        corners = (
            (round(box.left * across), round(box.top * down)),
            (round(box.right * across) - 1, round(box.bottom * down) - 1),
        )
        cv2.rectangle(drawn, *corners, _AGREED if box.label in labels else _OTHER, _LINE_PX)
    return drawn
