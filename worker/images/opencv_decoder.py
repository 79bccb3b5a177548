"""Decode image files with OpenCV: every format but JPEG and raw buffers."""

from collections.abc import Sequence

import cv2
import numpy as np

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.images.bit_depth import largest_sample
from stripwatch.worker.images.headers.header import ImageHeader
from stripwatch.worker.images.headers.webp import minimal_webp
from stripwatch.worker.images.minimal_png import minimal_png
from stripwatch.worker.images.minimal_tiff import minimal_tiff
from stripwatch.worker.images.samples import Samples, SampleValues

# A reject says what is wrong with a frame; lines of OpenCV's own would break a log in JSON.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_STORED_BITS = 16
_BAND_ROWS = 64  # checked at a time, which takes little memory
_MINIMAL = {"png": minimal_png, "tiff": minimal_tiff, "webp": minimal_webp}
_COLOUR_FLAGS = {"rgb": cv2.IMREAD_COLOR_RGB, "grey": cv2.IMREAD_GRAYSCALE}


def decode_image_file(encoded: bytes, header: ImageHeader, colour: str) -> Samples:
    """Decode a file of any format but JPEG. Alpha is dropped, a palette is expanded.

    Args:
        encoded: A complete file, as `header` describes it.
        header: What `read_header` found in the file.
        colour: "grey" gives one channel; "rgb" three. Samples of more than 8 bits keep the channels of the file.

    Raises:
        FrameRejected: The file is damaged.
        cv2.error: Memory was not enough.
    """
    minimal = _MINIMAL[header.format](encoded) if header.format in _MINIMAL else encoded
    if header.bits <= 8:
        return Samples(_decode(minimal, _COLOUR_FLAGS[colour]))
    if header.channels <= 2:
        values = _decode(minimal, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    else:  # OpenCV gives RGB of some formats and BGR of others where it is asked for RGB of 16 bits
        values = _reversed(_decode(minimal, cv2.IMREAD_COLOR_BGR | cv2.IMREAD_ANYDEPTH))
    if header.significant_bits is not None and header.in_upper_bits:
        return _low_bits(values, header.significant_bits, scaled_by_writer=header.bits == _STORED_BITS)
    return Samples(values, header.significant_bits)


def _decode(encoded: bytes, flags: int) -> SampleValues:
    try:
        decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise
        raise FrameRejected(RejectReason.DAMAGED, f"OpenCV: {error.err or error}") from error
    if decoded is None:
        raise FrameRejected(RejectReason.DAMAGED, "OpenCV cannot decode it")
    return np.asarray(decoded, np.uint16) if decoded.dtype == np.uint16 else np.asarray(decoded, np.uint8)


def _reversed(values: SampleValues) -> SampleValues:
    return np.asarray(cv2.cvtColor(values, cv2.COLOR_BGR2RGB), np.uint16)


def _low_bits(values: SampleValues, significant_bits: int, scaled_by_writer: bool) -> Samples:
    """Undo the scaling of samples of fewer bits that are stored in the upper ones, as PNG has them.

    Writers leave the low bits zero, repeat the upper bits in them, or multiply. Where none of that was done, the file
    declares a wrong depth.

    scaled_by_writer: else OpenCV did it, and did it right.
    """
    bits = max(significant_bits, 8)
    shift = _STORED_BITS - bits
    bands = [values[at : at + _BAND_ROWS] for at in range(0, len(values), _BAND_ROWS)]
    if any((band & (2**shift - 1)).any() for band in bands):
        agrees = _are_scaled(bands, bits)
    else:
        agrees = not (scaled_by_writer and shift and _looks_unscaled(values, bits))
    np.right_shift(values, shift, out=values)
    return Samples(values, bits, () if agrees else (FrameFlag.BIT_DEPTH,))


def _looks_unscaled(values: SampleValues, bits: int) -> bool:
    """Whether samples whose low bits are zero fill the range that they would have without scaling.

    Scaled, they would be black: at most one part in 16 of the full scale for 12 bits. A frame that is dark either way,
    as of a covered lens, does not count.
    """
    lowest: int = 2 ** (bits - 2)
    return lowest <= largest_sample(values, None) < 4 * lowest


def _are_scaled(bands: Sequence[SampleValues], bits: int) -> bool:
    """Whether every value is its upper bits times the ratio of the full scales, rounded in any way."""
    exact = (np.arange(2**bits) * (2**16 - 1) // (2**bits - 1)).astype(np.uint16)
    differences = (band - exact[band >> (16 - bits)] + np.uint16(1) for band in bands)
    return all((difference <= 2).all() for difference in differences)  # unsigned, so below -1 is far above 2
