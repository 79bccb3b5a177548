"""Reduce a PNG file to its pixels, so that libpng writes no warnings to stderr and does not fail.

The rows are unpacked and checked here and passed on uncompressed, so nothing is unpacked twice.
"""

import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.headers.png import GREY, PALETTE, PNG_SIGNATURE, PngImage, png_chunks, read_image_chunk

_FILTER_MAX = 4
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_SRGB_GAMMA = struct.pack(">I", 45455)
_GAMMA_MIN, _GAMMA_MAX = 10_000, 1_000_000  # 0.1 and 10; real displays and cameras have 0.36 to 2.8
_BLOCK_BYTES_MAX = 65_535


def minimal_png(encoded: bytes) -> bytes:
    """Rewrite a PNG file that `read_png_header` accepts.

    The gamma is kept, because libpng uses it to convert colours to grey. Raises FrameRejected for damaged pixels.
    """
    chunks: dict[bytes, list[memoryview]] = {}
    for name, body, _ in png_chunks(encoded):
        chunks.setdefault(name, []).append(body)
    image = read_image_chunk(chunks[b"IHDR"][0])
    rows = _unpack_rows(b"".join(chunks.get(b"IDAT", [])), image)
    parts = [PNG_SIGNATURE, _chunk(b"IHDR", bytes(chunks[b"IHDR"][0]))]
    if (gamma := _gamma(chunks)) is not None:
        parts.append(_chunk(b"gAMA", gamma))
    if image.colour_type == PALETTE:
        palette = bytes(chunks[b"PLTE"][0])
        if len(palette) < 3 * 2**image.bits:
            _check_indices(image, bytes(chunks[b"IHDR"][0]), rows, len(palette) // 3)
        parts.append(_chunk(b"PLTE", palette.ljust(3 * 2**image.bits, b"\0")))
    return b"".join([*parts, *_stored(rows), _chunk(b"IEND", b"")])


def _check_indices(image: PngImage, header: bytes, rows: bytes, entries: int) -> None:
    """Raise FrameRejected for pixels beyond the palette, which libpng would turn black.

    The palette indices are only visible after the row filters are undone, so libpng decodes the rows once as grey
    samples. It scales samples of fewer than 8 bits to 0..255.
    """
    as_grey = header[:9] + bytes([GREY]) + header[10:]
    encoded = b"".join([PNG_SIGNATURE, _chunk(b"IHDR", as_grey), *_stored(rows), _chunk(b"IEND", b"")])
    samples = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)
    if samples is not None and int(samples.max()) * (2**image.bits - 1) // 255 >= entries:
        raise FrameRejected(RejectReason.DAMAGED, f"a PNG file with pixels outside its palette of {entries}")


def _gamma(chunks: dict[bytes, list[memoryview]]) -> bytes | None:
    """Return the gamma of the file; None also for an implausible value, which would make all greys black or white."""
    if b"sRGB" in chunks:
        return _SRGB_GAMMA
    gamma = bytes(chunks[b"gAMA"][0]) if b"gAMA" in chunks else b""
    return gamma if len(gamma) == 4 and _GAMMA_MIN <= int.from_bytes(gamma, "big") <= _GAMMA_MAX else None


def _unpack_rows(packed: bytes, image: PngImage) -> bytes:
    size = sum(rows * row_bytes for rows, row_bytes in _passes(image))
    inflater = zlib.decompressobj()
    try:
        rows = inflater.decompress(packed, size + 1)
    except zlib.error as error:
        raise FrameRejected(RejectReason.DAMAGED, f"a PNG file with damaged pixels: {error}") from error
    if len(rows) < size or (len(rows) == size and not inflater.eof):
        raise FrameRejected(RejectReason.DAMAGED, "a PNG file whose pixels end early")
    if len(rows) > size:
        raise FrameRejected(RejectReason.DAMAGED, "a PNG file with more pixels than its header states")
    at = 0
    for count, row_bytes in _passes(image):
        part = np.frombuffer(rows, np.uint8, count * row_bytes, at).reshape(count, row_bytes)
        if int(part[:, 0].max()) > _FILTER_MAX:
            raise FrameRejected(RejectReason.DAMAGED, "a PNG file with an unknown row filter")
        at += part.size
    return rows


def _passes(image: PngImage) -> Iterator[tuple[int, int]]:
    """Yield the number of rows and the bytes per row (with the filter byte) of each pass that has pixels."""
    for x, y, step_x, step_y in _ADAM7 if image.interlaced else ((0, 0, 1, 1),):
        width, rows = (image.width_px - x + step_x - 1) // step_x, (image.height_px - y + step_y - 1) // step_y
        if width > 0 and rows > 0:
            yield rows, 1 + (width * image.bits_per_pixel + 7) // 8


def _stored(rows: bytes) -> Iterator[bytes | memoryview]:
    """Yield an uncompressed zlib stream (RFC 1950 and 1951) as chunks of one block each, without copying the rows."""
    yield _chunk(b"IDAT", b"\x78\x01")
    for at in range(0, len(rows), _BLOCK_BYTES_MAX):
        block = memoryview(rows)[at : at + _BLOCK_BYTES_MAX]
        is_last = at + len(block) == len(rows)
        head = struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF)
        yield struct.pack(">I", len(head) + len(block)) + b"IDAT" + head
        yield block
        yield struct.pack(">I", zlib.crc32(block, zlib.crc32(b"IDAT" + head)))
    yield _chunk(b"IDAT", struct.pack(">I", zlib.adler32(rows)))


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))
