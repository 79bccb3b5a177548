"""What an annotation file says about an image, independent of its format."""

from dataclasses import dataclass, field

from stripwatch.training.datasets.formats.rle_masks import RunLengthMask
from stripwatch.worker.contracts.frame_limits import FRAME_PIXELS_MAX

OVER_PX_MAX = 1.0  # tools differ in whether the last pixel counts, so this much is clipped
_SIDE_PX_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """A box with its label, in pixels from 0. right and bottom are exclusive."""

    label: str
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Shape:
    """A box, polygon or mask as an annotation file states it.

    label: "" for the only label of the image. corners: (left, top, right, bottom) in pixels from 0, right and bottom
    exclusive. points: of a polygon, in pixels from 0. runs: a mask. overhangs: the points are the outline of a rotated
    rectangle or ellipse, which may extend past the image.
    """

    label: str
    corners: tuple[float, float, float, float] | None = None
    points: tuple[tuple[float, float], ...] = ()
    runs: RunLengthMask | None = None
    overhangs: bool = False


@dataclass(slots=True)
class ImageMarks:
    """The annotations of one image.

    image: file name, or path, as the annotation file states it, with or without suffix. where: file and line for error
    messages. width_px, height_px: size that the coordinates refer to; None if the file does not state it, and the
    coordinates are then shares of the image. required: the image must be in the data set. suffixed: `image` ends with
    the suffix of its file. tags: labels of the whole image.
    """

    image: str
    where: str
    width_px: int | None = None
    height_px: int | None = None
    shapes: list[Shape] = field(default_factory=list)
    required: bool = False
    suffixed: bool = True
    tags: list[str] = field(default_factory=list)


def check_pixels(width_px: int, height_px: int) -> None:
    """Raise ValueError if an image is larger than any that can be read, so that its masks would fill the memory."""
    if width_px * height_px > FRAME_PIXELS_MAX:
        raise ValueError(f"an image of {width_px}x{height_px} pixels is too large")


def checked_side(value: float, name: str) -> int:
    """Return a width or height in pixels. Raises ValueError if it is not a positive whole number."""
    if not 0 < value <= _SIDE_PX_MAX or value != int(value):
        text = str(value).removesuffix(".0")[:20]
        raise ValueError(f"the image {name} of {text} is not a positive number of pixels")
    return int(value)


def scaled(shape: Shape, width_px: int, height_px: int) -> Shape:
    """Return a shape whose coordinates are shares of the image, in pixels."""
    corners = shape.corners and (
        shape.corners[0] * width_px,
        shape.corners[1] * height_px,
        shape.corners[2] * width_px,
        shape.corners[3] * height_px,
    )
    points = tuple((x * width_px, y * height_px) for x, y in shape.points)
    return Shape(shape.label, corners, points, shape.runs, shape.overhangs)


def clipped(shape: Shape, width_px: int, height_px: int) -> tuple[Shape, bool]:
    """Return a shape without what extends past the image by up to one pixel, and whether anything was clipped.

    Raises ValueError for coordinates that are not numbers, are further outside, or enclose nothing.
    """
    flat = [*(shape.corners or ()), *(value for point in shape.points for value in point)]
    if any(value != value or abs(value) == float("inf") for value in flat):
        raise ValueError("is not finite")
    xs, ys = flat[::2], flat[1::2]
    outside = max((-min(each) for each in (xs, ys) if each), default=0.0)
    outside = max(outside, max(xs, default=0) - width_px, max(ys, default=0) - height_px)
    if shape.corners and not (xs[0] < xs[1] and ys[0] < ys[1]):
        raise ValueError("is empty")
    if shape.overhangs and min(xs) < width_px and min(ys) < height_px and max(xs) > 0 and max(ys) > 0:
        return shape, False
    if outside > OVER_PX_MAX:
        raise ValueError(f"is outside the image of {width_px}x{height_px} pixels")
    if outside <= 0:
        return shape, False
    held = [min(max(value, 0), (width_px, height_px)[at % 2]) for at, value in enumerate(flat)]
    if shape.corners:
        left, top, right, bottom = held
        if not (left < right and top < bottom):
            raise ValueError(f"is outside the image of {width_px}x{height_px} pixels")
        return Shape(shape.label, (left, top, right, bottom)), True
    return Shape(shape.label, points=tuple(zip(held[::2], held[1::2], strict=True))), True
