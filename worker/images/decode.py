"""How the bytes of a frame become pixels: the one definition that training and the worker share."""

import cv2
import numpy as np

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec, Image, Pixels
from stripwatch.worker.images.headers.header import ImageHeader
from stripwatch.worker.images.headers.reader import read_header

# A reject says what is wrong with a frame; lines of OpenCV's own would break a log in JSON.
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


def decode(
    encoded: bytes, spec: DecodeSpec, limits: DecodeLimits = _DEFAULT_LIMITS, layout: RawLayout | None = None
) -> Image:
    """Turn an image file or a raw buffer into the pixels that a model with this spec takes.

    Alpha is dropped. A rotation in EXIF is ignored, because a camera does not turn.

    Args:
        encoded: A whole JPEG or PNG file; with a layout, the raw buffer of a camera.
        spec: What the model was trained on.
        limits: What the frame may cost; checked before any pixel is allocated.
        layout: The format of a raw buffer, as the headers of its record state it; None for an image file.

    Raises:
        FrameRejected: The frame cannot be decoded; no exception of a decoder leaves here.
        MemoryError: Memory was not enough to decode the frame.
    """
    if len(encoded) > limits.bytes_max:
        raise FrameRejected(RejectReason.TOO_MANY_BYTES, f"{len(encoded)} bytes, over the limit of {limits.bytes_max}")
    if layout is not None:
        raise FrameRejected(RejectReason.UNSUPPORTED_FORMAT, f"a raw buffer of pixel format {layout.pixel_format}")
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
