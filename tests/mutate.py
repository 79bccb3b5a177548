"""Image files of every kind the decoder reads, and what can happen to them on the way."""

import struct
import zlib

import cv2
import numpy as np

from tests.badframes import BAD_FRAMES, GOOD_FRAMES

BYTES_MAX = 200_000  # some mutations grow


def _originals() -> list[bytes]:
    """Files of every kind the decoder reads, and every bad frame that has a test of its own."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    smooth = cv2.GaussianBlur(noise, (9, 9), 0)
    jpegs = [
        cv2.imencode(".jpg", pixels, [flag, value, cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        for pixels in (noise, smooth, smooth[..., 0])
        for flag, value in ((cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2))
        for quality in (30, 95)
    ]
    deep = [cv2.imencode(".png", smooth.astype(np.uint16) * 257)[1].tobytes(), _palette_png(interlaced=True)]
    return [*jpegs, *deep, *GOOD_FRAMES.values(), *(bad or b"" for bad, _ in BAD_FRAMES.values())]


def _palette_png(interlaced: bool) -> bytes:
    """32x32 pixels of 4 bits with a palette, written by hand: OpenCV writes no such file."""
    header = struct.pack(">IIBBBBB", 32, 32, 4, 3, 0, 0, int(interlaced))
    data = zlib.compress(bytes(1024))
    chunks = [(b"IHDR", header), (b"PLTE", bytes(range(48))), (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


ORIGINALS = _originals()


def mutate(rng: np.random.Generator) -> tuple[str, bytes]:
    """One of the originals, changed one to four times; which kind of file it was."""
    encoded = ORIGINALS[rng.integers(len(ORIGINALS))]
    kind = "jpeg" if encoded[:2] == b"\xff\xd8" else "png" if encoded[:4] == b"\x89PNG" else "other"
    for _ in range(rng.integers(1, 5)):
        encoded = MUTATIONS[rng.integers(len(MUTATIONS))](bytearray(encoded), rng)[: BYTES_MAX + 1]
    if kind == "png" and rng.random() < 0.7:
        encoded = with_right_checksums(encoded)
    if kind == "jpeg" and rng.random() < 0.5:
        encoded += b"\xff\xd9"  # or most would be turned down for their missing end
    return kind, bytes(encoded)


def _span(data: bytearray, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(0, len(data) + 1))
    return start, min(len(data), start + int(rng.choice([1, 2, 4, 16, 300])))


def _flip(data: bytearray, rng: np.random.Generator) -> bytes:
    for at in rng.integers(0, max(1, len(data)), 3) if data else ():
        data[at] ^= 1 << int(rng.integers(8))
    return bytes(data)


def _overwrite(data: bytearray, rng: np.random.Generator) -> bytes:
    start, end = _span(data, rng)
    data[start:end] = rng.choice([rng.bytes(end - start), b"\x00" * (end - start), b"\xff" * (end - start)])
    return bytes(data)


def _delete(data: bytearray, rng: np.random.Generator) -> bytes:
    start, end = _span(data, rng)
    return bytes(data[:start] + data[end:])


def _repeat(data: bytearray, rng: np.random.Generator) -> bytes:
    start, end = _span(data, rng)
    return bytes(data[:end] + data[start:end] * int(rng.integers(1, 50)) + data[end:])


def _cut(data: bytearray, rng: np.random.Generator) -> bytes:
    return bytes(data[: int(rng.integers(0, len(data) + 1))])


def _splice(data: bytearray, rng: np.random.Generator) -> bytes:
    other = ORIGINALS[rng.integers(len(ORIGINALS))]
    return bytes(data[: int(rng.integers(0, len(data) + 1))]) + other[int(rng.integers(0, len(other) + 1)) :]


def _size(data: bytearray, rng: np.random.Generator) -> bytes:
    """Another size in the header, up to the largest there is."""
    sides = [int(side) for side in rng.choice([0, 1, 7, 8, 63, 100, 1999, 2001, 65535], 2)]
    if data[:4] == b"\x89PNG" and len(data) > 24:
        data[16:24] = struct.pack(">II", *sides)
    for marker in (b"\xff\xc0", b"\xff\xc2"):
        if (at := data.find(marker)) > 0:
            data[at + 5 : at + 9] = struct.pack(">HH", *sides)
    return bytes(data)


def _marker(data: bytearray, rng: np.random.Generator) -> bytes:
    """A JPEG marker, or the name of a PNG chunk, where none should be."""
    start, _ = _span(data, rng)
    names = [b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"iCCP", b"eXIf"]
    word = bytes([0xFF, int(rng.integers(0xC0, 0x100))]) if rng.random() < 0.5 else names[rng.integers(len(names))]
    data[start : start + len(word)] = word
    return bytes(data)


MUTATIONS = (_flip, _flip, _overwrite, _delete, _repeat, _cut, _splice, _size, _marker)


def with_right_checksums(encoded: bytes) -> bytes:
    """A PNG whose checksums fit its changed chunks, or the decoder would never see them."""
    data, at = bytearray(encoded), 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)
