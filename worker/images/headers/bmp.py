"""Read the header of a BMP file, and check that it is complete. Source: Microsoft, Bitmap Storage (wingdi.h)."""

import numpy as np

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.headers.header import ImageHeader, begins_image, truncated

BMP_SIGNATURE = b"BM"
_FILE_HEADER_BYTES = 14
_CORE_HEADER_BYTES, _HEADER_BYTES = 12, (40, 52, 56, 64, 108, 124)
_UNCOMPRESSED, _BIT_FIELDS = 0, 3
_OTHER_COMPRESSIONS = {1: "run lengths", 2: "run lengths", 4: "JPEG", 5: "PNG"}
_BGR_MASKS = (0xFF0000, 0xFF00, 0xFF)
_PALETTE_ENTRIES_MAX = 256


def read_bmp_header(encoded: bytes) -> ImageHeader:
    """Read the header of a BMP file. Raises FrameRejected for an incomplete, malformed or unsupported file."""
    if len(encoded) < _FILE_HEADER_BYTES + 4:
        raise truncated("BMP", encoded)
    size = _number(encoded, 14)
    if size != _CORE_HEADER_BYTES and size not in _HEADER_BYTES:
        raise FrameRejected(RejectReason.DAMAGED, f"a BMP file with a header of {size} bytes")
    if _FILE_HEADER_BYTES + size > len(encoded):
        raise truncated("BMP", encoded)
    if size == _CORE_HEADER_BYTES:
        width_px, height_px = _number(encoded, 18, 2), _number(encoded, 20, 2)
        bits_per_pixel = _number(encoded, 24, 2)
    else:
        width_px, height_px = _signed(encoded, 18), _signed(encoded, 22)
        bits_per_pixel = _number(encoded, 28, 2)
        _check_compression(encoded, bits_per_pixel)
    if bits_per_pixel not in (8, 24, 32):
        detail = f"a BMP file with {bits_per_pixel} bits per pixel; 8, 24 and 32 are supported"
        raise FrameRejected(RejectReason.UNSUPPORTED_COLOUR, detail)
    if width_px < 0 or height_px == -(2**31):
        raise FrameRejected(RejectReason.DAMAGED, f"a BMP file of {width_px}x{height_px} pixels")
    height_px = abs(height_px)  # negative where the rows begin at the top
    row_bytes = (width_px * bits_per_pixel + 31) // 32 * 4
    pixels_at = _number(encoded, 10)
    if pixels_at + row_bytes * height_px > len(encoded):
        raise truncated("BMP", encoded)
    palette_end = _FILE_HEADER_BYTES + size
    channels = bits_per_pixel // 8
    if bits_per_pixel == 8:
        palette = _read_palette(encoded, size)
        palette_end += palette.size
        channels = 1 if (palette[:, :1] == palette[:, 1:3]).all() else 3
        _check_indices(encoded[pixels_at : pixels_at + row_bytes * height_px], row_bytes, width_px, len(palette))
    if pixels_at < palette_end:
        raise FrameRejected(RejectReason.DAMAGED, f"a BMP file whose pixels begin in its header, at byte {pixels_at}")
    end = max(pixels_at + row_bytes * height_px, _number(encoded, 2))
    second_image = begins_image(encoded, end, encoded[:6])  # "BM" alone is too short to be reliable, so with the length
    return ImageHeader("bmp", width_px, height_px, channels, bits=8, second_image=second_image)


def _check_compression(encoded: bytes, bits_per_pixel: int) -> None:
    compression = _number(encoded, 30)
    if compression == _UNCOMPRESSED:
        return
    if compression != _BIT_FIELDS:
        name = _OTHER_COMPRESSIONS.get(compression, f"number {compression}")
        raise FrameRejected(
            RejectReason.UNSUPPORTED_FORMAT, f"BMP compression {name}; only uncompressed files are supported"
        )
    if len(encoded) < 66:
        raise truncated("BMP", encoded)
    if bits_per_pixel != 32 or tuple(_number(encoded, at) for at in (54, 58, 62)) != _BGR_MASKS:
        raise FrameRejected(RejectReason.UNSUPPORTED_COLOUR, "a BMP file whose colours are not in the order BGR")


def _read_palette(encoded: bytes, header_bytes: int) -> np.ndarray:
    """Return the palette as BGR entries, each with an unused byte except in the oldest files."""
    core = header_bytes == _CORE_HEADER_BYTES
    entries = _PALETTE_ENTRIES_MAX if core else _number(encoded, 46) or _PALETTE_ENTRIES_MAX
    if entries > _PALETTE_ENTRIES_MAX:
        raise FrameRejected(RejectReason.DAMAGED, f"a BMP file with a palette of {entries} colours")
    entry_bytes, at = 3 if core else 4, _FILE_HEADER_BYTES + header_bytes
    if at + entries * entry_bytes > len(encoded):
        raise truncated("BMP", encoded)
    return np.frombuffer(encoded, np.uint8, entries * entry_bytes, at).reshape(entries, entry_bytes)


def _check_indices(rows: bytes, row_bytes: int, width_px: int, entries: int) -> None:
    if entries < _PALETTE_ENTRIES_MAX and rows:
        indices = np.frombuffer(rows, np.uint8).reshape(-1, row_bytes)[:, :width_px]
        if int(indices.max()) >= entries:
            raise FrameRejected(RejectReason.DAMAGED, f"a BMP file with pixels outside its palette of {entries}")


def _number(encoded: bytes, at: int, size: int = 4) -> int:
    return int.from_bytes(encoded[at : at + size], "little")


def _signed(encoded: bytes, at: int) -> int:
    return int.from_bytes(encoded[at : at + 4], "little", signed=True)
