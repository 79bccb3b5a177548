"""Decode image files with OpenCV: every format but raw buffers."""

import cv2
import numpy as np

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.images.headers.header import ImageHeader
from stripwatch.worker.images.samples import Samples, SampleValues

# A reject says what is wrong with a frame; lines of OpenCV's own would break a log in JSON.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

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


def decode_jpeg(encoded: bytes, colour: str, scale: int) -> Samples:
    pixels = _decode(encoded, _COLOUR_FLAGS[colour, scale])
    if colour == "rgb" and scale > 1:  # OpenCV has no reduced flag that gives RGB
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
    return Samples(pixels)


def decode_image_file(encoded: bytes, header: ImageHeader, colour: str) -> Samples:
    """Decode a file of any format but JPEG. Alpha is dropped, a palette is expanded.

    Args:
        encoded: A complete file, as `header` describes it.
        header: What `read_header` found in the file.
        colour: "grey" gives one channel; "rgb" three. Samples of more than 8 bits keep the channels of the file.

    Raises:
        FrameRejected: OpenCV cannot decode the file.
        cv2.error: The same, or memory was not enough.
    """
    if header.bits <= 8:
        return Samples(_decode(encoded, _COLOUR_FLAGS[colour, 1]))
    wanted = cv2.IMREAD_GRAYSCALE if header.channels <= 2 else cv2.IMREAD_COLOR_RGB
    values = _decode(encoded, wanted | cv2.IMREAD_ANYDEPTH)
    if header.significant_bits is None:
        return Samples(values)
    return _low_bits(values, header.significant_bits)


def _decode(encoded: bytes, flags: int) -> SampleValues:
    decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if decoded is None:
        raise FrameRejected(RejectReason.UNDECODABLE, "OpenCV cannot decode it")
    return np.asarray(decoded, np.uint16) if decoded.dtype == np.uint16 else np.asarray(decoded, np.uint8)


def _low_bits(values: SampleValues, significant_bits: int) -> Samples:
    """Undo the scaling of PNG: samples of fewer bits are stored in the upper ones.

    The low bits are zero, or repeat the upper ones. Where they are neither, the file declares a wrong depth.
    """
    bits = max(significant_bits, 8)
    shift = 16 - bits
    low = values & (2**shift - 1)
    agrees = not low.any() or np.array_equal(low, (values >> bits) & (2**shift - 1))
    return Samples(np.asarray(values >> shift, np.uint16), bits, () if agrees else (FrameFlag.BIT_DEPTH,))
