"""How bytes become pixels: the one definition that training and the worker share."""

from dataclasses import dataclass
from typing import Literal

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.image_header import ImageHeader, read_header

Pixels = NDArray[np.uint8]


class DecodeSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model was trained on, written into its bundle.

    colour: "rgb" gives 3 channels in that order, "grey" gives 1.
    fit: "stretch" brings the whole frame to height_px x width_px and lets the aspect go.
    interpolation: "area" averages where the frame shrinks in both directions, else linear; "linear" always.
    jpeg_scale: 2, 4 or 8 lets the JPEG decoder itself shrink by that factor, which is faster and not the same pixels.
    """

    height_px: int
    width_px: int
    colour: Literal["rgb", "grey"] = "rgb"
    fit: Literal["stretch"] = "stretch"
    interpolation: Literal["area", "linear"] = "area"
    jpeg_scale: Literal[1, 2, 4, 8] = 1

    @property
    def channels(self) -> int:
        return 3 if self.colour == "rgb" else 1

    @property
    def name(self) -> str:
        """Colour and scale as `fit --decode` takes them, such as "rgb" or "grey/2"."""
        return self.colour if self.jpeg_scale == 1 else f"{self.colour}/{self.jpeg_scale}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of what `decode` returns."""
        return self.height_px, self.width_px, self.channels


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What a single frame may cost. The bytes come from outside; without limits one of them can take all memory."""

    bytes_max: int = 16_000_000
    pixels_max: int = 64_000_000
    side_px_min: int = 8


@dataclass(frozen=True, slots=True)
class Image:
    """A decoded frame. pixels: uint8 [height, width, channels] as the spec says; the sizes are those of the file."""

    pixels: Pixels
    width_px: int
    height_px: int


# What it has to say of a frame is in the reject; its own lines would break a log of JSON lines.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_DEFAULT_LIMITS = DecodeLimits()
_DECODING_BYTES_PER_PIXEL, _DECODER_BYTES = 6, 4_000_000  # pixels, coefficients of a progressive JPEG, the decoder

_COLOUR_FLAGS = {
    ("rgb", 1): cv2.IMREAD_COLOR_RGB,
    ("rgb", 2): cv2.IMREAD_REDUCED_COLOR_2,
    ("rgb", 4): cv2.IMREAD_REDUCED_COLOR_4,
    ("rgb", 8): cv2.IMREAD_REDUCED_COLOR_8,
    ("grey", 1): cv2.IMREAD_GRAYSCALE,
    ("grey", 2): cv2.IMREAD_REDUCED_GRAYSCALE_2,
    ("grey", 4): cv2.IMREAD_REDUCED_GRAYSCALE_4,
    ("grey", 8): cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


def decode(encoded: bytes, spec: DecodeSpec, limits: DecodeLimits = _DEFAULT_LIMITS) -> Image:
    """Turn a JPEG or PNG file into the pixels that a model with this spec takes.

    16-bit PNG keeps its upper 8 bits, alpha is dropped, a rotation in EXIF is ignored (a camera does not turn).
    Raises FrameRejected, with a reason, for anything else: no exception of OpenCV leaves here. Raises MemoryError where
    the frame could not be decoded for want of memory.
    """
    if len(encoded) > limits.bytes_max:
        raise FrameRejected(RejectReason.TOO_MANY_BYTES, f"{len(encoded)} bytes, over the limit of {limits.bytes_max}")
    header = read_header(encoded)
    _check_header(header, limits)
    scale = spec.jpeg_scale if header.format == "jpeg" else 1
    # A grey file is made colour last, when it is small: every channel would go the same way.
    colour = "grey" if header.channels == 1 else spec.colour
    try:
        decoded = _resize(_decode_pixels(encoded, colour, scale), spec)
        if colour != spec.colour:
            decoded = np.asarray(cv2.cvtColor(decoded, cv2.COLOR_GRAY2RGB), np.uint8)
    except cv2.error as error:
        _raise_memory_error(header, error)
        raise FrameRejected(RejectReason.UNDECODABLE, f"OpenCV: {error.err or error}") from error
    except FrameRejected:
        _raise_memory_error(header)
        raise
    return Image(decoded.reshape(spec.shape), width_px=header.width_px, height_px=header.height_px)


def _check_header(header: ImageHeader, limits: DecodeLimits) -> None:
    size = f"{header.width_px}x{header.height_px} pixels"
    if header.width_px * header.height_px > limits.pixels_max:
        raise FrameRejected(RejectReason.TOO_MANY_PIXELS, f"{size}, over the limit of {limits.pixels_max}")
    if min(header.width_px, header.height_px) < limits.side_px_min:
        raise FrameRejected(RejectReason.TOO_SMALL, f"{size}, a side under {limits.side_px_min}")
    if header.format == "jpeg" and (header.channels not in (1, 3) or header.bits != 8):
        colour = f"a JPEG of {header.channels} channels of {header.bits} bits; 1 or 3 of 8 bits are read"
        raise FrameRejected(RejectReason.UNSUPPORTED_COLOUR, colour)


def _raise_memory_error(header: ImageHeader, error: cv2.error | None = None) -> None:
    """Raise MemoryError if that is why decoding failed.

    OpenCV often only says that it cannot decode, so as much memory is asked for as decoding takes.
    """
    if error is not None and error.code == cv2.Error.StsNoMem:
        raise MemoryError(error.err) from error
    np.empty(header.width_px * header.height_px * _DECODING_BYTES_PER_PIXEL + _DECODER_BYTES, np.uint8)


def _decode_pixels(encoded: bytes, colour: str, scale: int) -> Pixels:
    flags = _COLOUR_FLAGS[colour, scale] | cv2.IMREAD_IGNORE_ORIENTATION
    decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
    if decoded is None:
        raise FrameRejected(RejectReason.UNDECODABLE, "OpenCV cannot decode it")
    if colour == "rgb" and scale > 1:  # OpenCV has no reduced flag that gives RGB
        decoded = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)
    return np.asarray(decoded, np.uint8)


def _resize(decoded: Pixels, spec: DecodeSpec) -> Pixels:
    height, width = decoded.shape[:2]
    if (height, width) != (spec.height_px, spec.width_px):
        shrinks = height >= spec.height_px and width >= spec.width_px
        how = cv2.INTER_AREA if spec.interpolation == "area" and shrinks else cv2.INTER_LINEAR
        decoded = np.asarray(cv2.resize(decoded, (spec.width_px, spec.height_px), interpolation=how), np.uint8)
    return decoded
