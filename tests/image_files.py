"""Image files of kinds that OpenCV cannot write, built field by field."""

import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

SHORT, LONG = 3, 4
Tag = tuple[int, Sequence[int]]  # type number and values of a tag
_FORMATS = {1: "B", 3: "H", 4: "I", 8: "h"}


def tiff_file(
    pixels: NDArray[np.integer],
    bits: int,
    tags: Mapping[int, Tag] | None = None,
    *,
    big_endian: bool = False,
    compress: bool = False,
    next_page: int = 0,
) -> bytes:
    """Return a TIFF file of one strip. pixels: [height, width] or [height, width, samples]. tags: to add or replace."""
    order = ">" if big_endian else "<"
    height, width = pixels.shape[:2]
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    data = _stored(pixels, bits, order)
    data = zlib.compress(data) if compress else data
    wanted: dict[int, Tag] = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [bits] * samples),
        259: (SHORT, [8 if compress else 1]),
        262: (SHORT, [2 if samples >= 3 else 1]),
        273: (LONG, [0]),
        277: (SHORT, [samples]),
        278: (LONG, [height]),
        279: (LONG, [len(data)]),
        **(tags or {}),
    }
    values = {number: struct.pack(f"{order}{len(tag[1])}{_FORMATS[tag[0]]}", *tag[1]) for number, tag in wanted.items()}
    at = 8 + 2 + 12 * len(wanted) + 4
    data_at = at + sum(len(value) + len(value) % 2 for value in values.values() if len(value) > 4)
    if wanted[273][1][0] == 0:
        values[273] = struct.pack(f"{order}I", data_at)
    entries, outside = b"", b""
    for number in sorted(wanted):
        value = values[number]
        entries += struct.pack(f"{order}HHI", number, wanted[number][0], len(wanted[number][1]))
        entries += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(f"{order}I", at + len(outside))
        outside += value + b"\0" * (len(value) % 2) if len(value) > 4 else b""
    start = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(f"{order}IH", 8, len(wanted))
    return start + entries + struct.pack(f"{order}I", next_page) + outside + data


def _stored(pixels: NDArray[np.integer], bits: int, order: str) -> bytes:
    if bits in (8, 16, 32):
        return pixels.astype(f"{order}u{bits // 8}").tobytes()
    places = np.arange(bits)[::-1]
    rows = pixels.reshape(len(pixels), -1)
    return np.packbits((rows[..., np.newaxis] >> places & 1).reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


def bmp_file(
    rows: NDArray[np.uint8],
    palette: bytes = b"",
    *,
    top_down: bool = False,
    header_bytes: int = 40,
    compression: int = 0,
    bits: int | None = None,
    colours: int = 0,
) -> bytes:
    """Return a BMP file. rows, top to bottom: [height, width] palette indices, or [height, width, 3 or 4] in BGR."""
    height, width = rows.shape[:2]
    bits = bits or 8 * (rows.shape[2] if rows.ndim == 3 else 1)
    stored = rows if top_down else rows[::-1]
    flat = np.ascontiguousarray(stored).reshape(height, -1)
    data = np.pad(flat, ((0, 0), (0, -flat.shape[1] % 4))).tobytes()
    if header_bytes == 12:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        size = (width, -height if top_down else height)
        header = struct.pack("<IiiHHIIiiII", header_bytes, *size, 1, bits, compression, len(data), 0, 0, colours, 0)
        masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0) if compression == 3 else b""
        header = (header + masks).ljust(header_bytes, b"\0")
        if compression == 3 and header_bytes == 40:
            header += masks[:12]
    at = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", at + len(data), 0, 0, at) + header + palette + data


def png_with_chunk(encoded: bytes, name: bytes, body: bytes) -> bytes:
    """Return the PNG file with another chunk directly after its header."""
    return encoded[:33] + png_chunk(name, body) + encoded[33:]


_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png_file(
    pixels: NDArray[np.integer],
    bits: int,
    colour_type: int,
    chunks: Sequence[tuple[bytes, bytes]] = (),
    *,
    interlaced: bool = False,
) -> bytes:
    """Return a PNG file of unfiltered rows. pixels: [height, width, samples]. chunks: between header and pixels."""
    height, width = pixels.shape[:2]
    rows = b""
    for x, y, step_x, step_y in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        part = pixels[y::step_y, x::step_x]
        if part.size:
            stored = np.frombuffer(_stored(part, bits, ">"), np.uint8).reshape(len(part), -1)
            rows += np.pad(stored, ((0, 0), (1, 0))).tobytes()
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, int(interlaced))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(name, body) for name, body in parts)


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
