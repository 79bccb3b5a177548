"""Compare the image size in an annotation with the image, with and without the rotation in its EXIF data."""

from dataclasses import dataclass
from pathlib import Path

from stripwatch.export.runs.files import read_whole
from stripwatch.training.annotations.exif_orientation import ROTATED_SIDEWAYS, exif_orientation
from stripwatch.training.datasets.formats.marks import ImageMarks
from stripwatch.worker.common.errors import FrameRejected, InputError
from stripwatch.worker.images.headers.reader import read_header


@dataclass(frozen=True, slots=True)
class StoredImage:
    """Size of an image file as training and the worker read it, and the orientation in its EXIF data, 1 to 8."""

    width_px: int
    height_px: int
    orientation: int = 1

    @property
    def rotated_size(self) -> tuple[int, int]:
        """Return width and height after the EXIF rotation."""
        size = self.width_px, self.height_px
        return size[::-1] if self.orientation in ROTATED_SIDEWAYS else size


def read_stored(path: Path) -> StoredImage | None:
    """Return the size of an image file, or None if it cannot be read, which is reported where it is decoded."""
    try:
        encoded = read_whole(path)
        header = read_header(encoded)
    except (InputError, FrameRejected):
        return None
    return StoredImage(header.width_px, header.height_px, exif_orientation(encoded))


def annotated_size(marks: ImageMarks, image: StoredImage | None) -> tuple[int, int]:
    """Return width and height of the image that the annotations belong to.

    Raises ValueError, with a sentence about the two sizes, if they do not belong to the image as it is stored.
    """
    if marks.width_px is None or marks.height_px is None:
        if image is None:
            raise ValueError("the size of the image is unknown, because it cannot be read")
        if image.orientation in ROTATED_SIDEWAYS:
            raise ValueError(
                f"the image has EXIF orientation {image.orientation}, and the annotation does not state an image size, "
                "so it is unknown whether it was drawn on the rotated image; rotate the pixels and remove the EXIF "
                "orientation"
            )
        return image.width_px, image.height_px
    size = marks.width_px, marks.height_px
    if image is None or size == (image.width_px, image.height_px):
        return size
    states = f"the annotation is for an image of {size[0]}x{size[1]} pixels, but the image has"
    stored = f"{image.width_px}x{image.height_px}"
    if size == image.rotated_size:
        raise ValueError(
            f"{states} {stored}, and {size[0]}x{size[1]} only after its EXIF rotation (orientation "
            f"{image.orientation}), which training and the worker ignore; rotate the pixels and remove the EXIF "
            "orientation, or annotate it without rotation"
        )
    if size == (image.height_px, image.width_px):
        raise ValueError(f"{states} {stored} (EXIF orientation {image.orientation}): width and height are exchanged")
    raise ValueError(f"{states} {stored}; it was resized or replaced after it was annotated")


def may_be_turned(marks: ImageMarks, image: StoredImage | None) -> bool:
    """Return whether the image has an EXIF rotation or flip that the sizes cannot show to be ignored."""
    if image is None or image.orientation == 1 or not marks.shapes:
        return False
    return image.rotated_size == (image.width_px, image.height_px)
