"""Colour of a frame: how far its blocks of 8x8 pixels are from grey."""

from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.images.decode import Reserve, decode, no_reserve
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec, Levels
from stripwatch.worker.images.raw_header import frame_header

BLOCK_PX: int = 8
# Above what compression, noise of single pixels and a slight tint give, and below a rust spot of 8x8 pixels.
COLOUR_MIN = 8


def measure_colour(
    encoded: bytes,
    layout: RawLayout | None = None,
    bit_depth: int | None = None,
    levels: Levels | None = None,
    limits: DecodeLimits | None = None,
    reserve: Reserve = no_reserve,
) -> int:
    """Return the largest difference between the colour channels of a block of pixels, 0 to 255.

    Blocks are averaged first, so a small spot of colour counts, but noise of single pixels hardly does. A JPEG file is
    decoded at an eighth of its size, which gives these averages without computing the pixels.

    Args:
        encoded: A whole image file; with a layout, the raw buffer of a camera.
        layout: Format of a raw buffer; None for an image file.
        bit_depth: As in the decode spec.
        levels: As in the decode spec.
        limits: Limits of the frame; None for the default limits.
        reserve: As for `decode`.

    Raises:
        FrameRejected: The frame cannot be decoded.
        MemoryError: There was not enough memory.
    """
    header = frame_header(encoded, layout)
    if header.channels < 3:
        return 0
    height_px, width_px = -(-header.height_px // BLOCK_PX), -(-header.width_px // BLOCK_PX)
    spec = DecodeSpec(height_px, width_px, jpeg_scale=8, bit_depth=bit_depth, levels=levels)
    blocks = decode(encoded, spec, limits or DecodeLimits(), layout, reserve).pixels
    return int((blocks.max(axis=2) - blocks.min(axis=2)).max())
