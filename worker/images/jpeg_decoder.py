"""Decode JPEG files with libjpeg-turbo, which reports damaged files. OpenCV does not."""

import numpy as np
import simplejpeg

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.images.headers.header import ImageHeader
from stripwatch.worker.images.jpeg_variants import jpeg_variants
from stripwatch.worker.images.samples import Samples

_CHANNELS = {"grey": 1, "rgb": 3}
_COLOUR_SPACES = {"grey": "GRAY", "rgb": "RGB"}
_NO_HEADER = "tjDecompressHeader3()"  # its message blames the subsampling, whatever the fault is
_OUT_OF_MEMORY = "Insufficient memory"  # libjpeg: JERR_OUT_OF_MEMORY


def decode_jpeg(encoded: bytes, header: ImageHeader, colour: str, scale: int, flags_damaged: bool = False) -> Samples:
    """Decode a JPEG file. Nothing is written to stderr.

    Args:
        encoded: A complete file, as `header` describes it.
        header: Header of the file, from `read_jpeg_header`.
        colour: "grey" gives one channel; "rgb" three.
        scale: 1, 2, 4 or 8: the decoder shrinks the image by this factor and rounds width and height up. At least one
            side must have 8 pixels.
        flags_damaged: Decode a damaged file as far as possible and flag it, instead of rejecting it.

    Raises:
        FrameRejected: The file is damaged.
        MemoryError: There was not enough memory.
    """
    fault = "the scans do not cover the whole image"
    for variant in jpeg_variants(encoded) if header.complete else ():
        try:
            return Samples(_decode(variant, header, colour, scale, strict=True))
        except ValueError as error:
            fault = f"libjpeg: {error}"
    if flags_damaged:
        *_, variant = jpeg_variants(encoded)
        try:
            return Samples(_decode(variant, header, colour, scale, strict=False), flags=(FrameFlag.DAMAGED,))
        except ValueError as error:
            fault = f"libjpeg: {error}"
    raise FrameRejected(RejectReason.DAMAGED, "libjpeg cannot read the header" if _NO_HEADER in fault else fault)


def _decode(encoded: bytes, header: ImageHeader, colour: str, scale: int, strict: bool) -> Pixels:
    """Decode one variant of a file. strict: also raise ValueError for warnings of libjpeg."""
    height_px, width_px = -(-header.height_px // scale), -(-header.width_px // scale)
    # The decoder would leak its memory if the allocation of the pixels failed inside it.
    pixels = np.empty((height_px, width_px, _CHANNELS[colour]), np.uint8)
    smallest = {"min_height": height_px, "min_width": width_px} if scale > 1 else {}
    try:
        simplejpeg.decode_jpeg(encoded, _COLOUR_SPACES[colour], buffer=pixels, strict=strict, **smallest)
    except RuntimeError as error:  # the decoder could not be created
        raise MemoryError(str(error)) from error
    except ValueError as error:
        if str(error).startswith(_OUT_OF_MEMORY):
            raise MemoryError(str(error)) from error
        raise
    return pixels[..., 0] if colour == "grey" else pixels
