"""Decode image files other than JPEG with OpenCV."""

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

# The reject states what is wrong with a frame, and OpenCV's own log lines would break a JSON log.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

_STORED_BITS = 16
_BAND_ROWS = 64  # rows checked at a time, to save memory
_MINIMAL = {"png": minimal_png, "tiff": minimal_tiff, "webp": minimal_webp}
_COLOUR_FLAGS = {"rgb": cv2.IMREAD_COLOR_RGB, "grey": cv2.IMREAD_GRAYSCALE}


def decode_image_file(encoded: bytes, header: ImageHeader, colour: str) -> Samples:
    """Decode a file of any format but JPEG. Alpha is dropped and palettes are expanded.

    Args:
        encoded: A complete file, as `header` describes it.
        header: Header of the file, from `read_header`.
        colour: "grey" gives one channel; "rgb" three. Samples of more than 8 bits keep the channels of the file.

    Raises:
        FrameRejected: The file is damaged.
        cv2.error: There was not enough memory.
    """
    minimal = _MINIMAL[header.format](encoded) if header.format in _MINIMAL else encoded
    if header.bits <= 8:
        return Samples(_decode(minimal, _COLOUR_FLAGS[colour]))
    if header.channels <= 2:
        values = _decode(minimal, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    else:  # with 16 bits, OpenCV's RGB mode gives RGB for some formats and BGR for others
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
        raise FrameRejected(RejectReason.DAMAGED, "OpenCV cannot decode the file")
    return np.asarray(decoded, np.uint16) if decoded.dtype == np.uint16 else np.asarray(decoded, np.uint8)


def _reversed(values: SampleValues) -> SampleValues:
    return np.asarray(cv2.cvtColor(values, cv2.COLOR_BGR2RGB), np.uint16)


def _low_bits(values: SampleValues, significant_bits: int, scaled_by_writer: bool) -> Samples:
    """Undo the scaling of samples that are stored in the upper bits, as in PNG files with sBIT.

    Writers leave the low bits zero, repeat the upper bits in them, or multiply. If none of these was done, the file
    declares a wrong depth, and the samples are flagged.

    scaled_by_writer: False if OpenCV did the scaling, which is then known to be correct.
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
    """Return whether samples with zero low bits fill the range that they would have without scaling.

    If they were scaled, the image would be almost black: at most 1/16 of the full scale for 12 bits. Frames that are
    even darker, for example with a covered lens, do not count.
    """
    lowest: int = 2 ** (bits - 2)
    return lowest <= largest_sample(values, None) < 4 * lowest


def _are_scaled(bands: Sequence[SampleValues], bits: int) -> bool:
    """Return whether every value equals its upper bits times the ratio of the full scales, with any rounding."""
    exact = (np.arange(2**bits) * (2**16 - 1) // (2**bits - 1)).astype(np.uint16)
    differences = (band - exact[band >> (16 - bits)] + np.uint16(1) for band in bands)
    return all((difference <= 2).all() for difference in differences)  # unsigned, so below -1 is far above 2
