"""Image files of every kind that the decoder reads, and mutations of them."""

import struct
import zlib

import cv2
import numpy as np

from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.images.headers.png import PNG_SIGNATURE, png_chunks
from stripwatch.worker.images.headers.reader import read_header
from stripwatch.worker.images.headers.tiff import TIFF_SIGNATURES
from stripwatch.worker.images.raw_header import PIXEL_FORMATS
from tests.badframes import BAD_FRAMES, GOOD_FRAMES
from tests.image_files import SHORT, bmp_file, png_chunk, png_file, tiff_file

BYTES_MAX = 200_000  # some mutations make files longer
RAW_FORMATS = list(PIXEL_FORMATS)
RAW_VALUES = [
    *(b"0", b"-1", b"1", b"7", b"8", b"100", b"65536", b"2147483648", b"9" * 40, b"1e3", b"12.5", b"", b" 64 ", None),
    *(b"Mono8", b"mono8", b"Mono12p", b"RGB8", b"BayerRG8", b"BayerRG12", b"Mono12\xff", b"YUV422_8", b"image/png"),
]


def _originals() -> dict[str, list[bytes]]:
    """Return files of every format that the decoder reads; "other" are bad frames that also have separate tests."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    smooth = np.asarray(cv2.GaussianBlur(noise, (9, 9), 0), np.uint8)
    files: dict[str, list[bytes]] = {kind: [] for kind in KINDS}
    files["jpeg"] = [
        cv2.imencode(".jpg", pixels, [flag, value, cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        for pixels in (noise, smooth, smooth[..., 0])
        for flag, value in ((cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2))
        for quality in (30, 95)
    ]
    files["png"] = _png_files(smooth)
    files["bmp"] = _bmp_files(smooth)
    files["tiff"] = _tiff_files(smooth)
    files["webp"] = [
        cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()
        for pixels in (smooth, np.dstack([smooth, noise[..., 0]]))
        for quality in (30, 90, 101)
    ]
    for encoded in GOOD_FRAMES.values():
        files[read_header(encoded).format].append(encoded)
    files["other"] = [bad or b"" for bad, _ in BAD_FRAMES.values()]
    return files


def _png_files(smooth: Pixels) -> list[bytes]:
    deep = smooth.astype(np.uint16) * 16
    palette = (b"PLTE", bytes(range(48)))
    return [
        *(cv2.imencode(".png", pixels)[1].tobytes() for pixels in (smooth, smooth[..., 0], deep * 16, deep)),
        png_file(smooth[:32, :32, :1] >> 4, 4, 3, [palette], interlaced=True),
        png_file(smooth[:32, :32, :1] >> 4, 8, 3, [palette]),
        png_file(smooth, 8, 2, [(b"gAMA", b"\0\1\x86\xa0")]),
        png_file(deep[..., :1] & 0xFF0, 16, 0, [(b"sBIT", b"\x0c")]),
        png_file(deep[..., :1], 16, 0, [(b"sBIT", b"\x0c")]),
        png_file(deep[..., :2] * 16, 16, 4, [(b"sBIT", b"\x0c\x0c")], interlaced=True),
    ]


def _bmp_files(smooth: Pixels) -> list[bytes]:
    palette = np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis], 4, axis=1).tobytes()
    return [
        bmp_file(smooth[..., 0], palette),
        bmp_file(np.minimum(smooth[..., 0], np.uint8(63)), palette[:256], colours=64),
        bmp_file(smooth, top_down=True),
        bmp_file(smooth, header_bytes=12),
        bmp_file(np.dstack([smooth, smooth[..., 0]]), header_bytes=124, compression=3),
    ]


def _tiff_files(smooth: Pixels) -> list[bytes]:
    deep = smooth.astype(np.uint16) * 16
    by_opencv = [
        cv2.imencode(".tif", pixels, [cv2.IMWRITE_TIFF_COMPRESSION, compression, cv2.IMWRITE_TIFF_ROWSPERSTRIP, 9])
        for pixels in (smooth, smooth[..., 0], deep * 16, deep[..., 0])
        for compression in (1, 5, 8, 32773)
    ]
    return [
        *(encoded.tobytes() for _, encoded in by_opencv),
        tiff_file(deep[..., 0], 12),
        tiff_file(deep, 16, {281: (SHORT, [4095] * 3)}, big_endian=True, compress=True),
        tiff_file(np.dstack([smooth, smooth[..., 0]]), 8, {338: (SHORT, [2]), 274: (SHORT, [6])}),
    ]


KINDS = ("jpeg", "png", "bmp", "tiff", "webp", "other")
ORIGINALS = _originals()
_ALL = [encoded for files in ORIGINALS.values() for encoded in files]


def mutate(rng: np.random.Generator) -> tuple[str, bytes]:
    """Return the kind of an original file, and the file after one to four mutations."""
    kind = KINDS[rng.integers(len(KINDS))]
    files = ORIGINALS[kind]
    encoded = files[rng.integers(len(files))]
    for _ in range(rng.integers(1, 5)):
        encoded = MUTATIONS[rng.integers(len(MUTATIONS))](bytearray(encoded), rng)[: BYTES_MAX + 1]
    if rng.random() < 0.05:
        encoded = _with_another(files[rng.integers(len(files))], rng)
    elif kind == "png" and rng.random() < 0.3:
        encoded = _with_changed_rows(files[rng.integers(len(files))], rng)
    elif kind == "png" and rng.random() < 0.7:
        encoded = with_right_checksums(encoded)
    if kind == "webp" and rng.random() < 0.7:
        encoded = with_right_size(encoded)
    if kind == "jpeg" and rng.random() < 0.5:
        encoded += b"\xff\xd9"  # otherwise most would be rejected for their missing end
    return kind, bytes(encoded)


def mutate_raw(rng: np.random.Generator) -> tuple[bytes, list[tuple[str, bytes | None]]]:
    """Return a raw buffer of any pixel format, and its headers; in most cases something is wrong."""
    name = RAW_FORMATS[rng.integers(len(RAW_FORMATS))]
    width, height, padding = int(rng.integers(1, 120)), int(rng.integers(1, 90)), int(rng.integers(0, 9))
    stride = -(-width * PIXEL_FORMATS[name].bits_per_pixel // 8) + padding
    buffer = rng.integers(0, 256, stride * height, np.uint8).tobytes()
    headers: dict[str, bytes | None] = {
        "content-type": b"application/octet-stream",
        "ce_pixelformat": name.encode(),
        "ce_widthpx": b"%d" % width,
        "ce_heightpx": b"%d" % height,
    }
    if padding or rng.random() < 0.5:
        headers["ce_stridebytes"] = b"%d" % stride
    if rng.random() < 0.2:
        buffer = buffer[: len(buffer) - padding]  # without the padding of the last row
    if rng.random() < 0.3:
        for _ in range(rng.integers(1, 3)):
            buffer = MUTATIONS[rng.integers(len(MUTATIONS))](bytearray(buffer), rng)[: BYTES_MAX + 1]
    if rng.random() < 0.5:
        changed = list(headers)[rng.integers(len(headers))]
        headers[changed] = RAW_VALUES[rng.integers(len(RAW_VALUES))]
    stated = list(headers.items())
    return buffer, stated[int(rng.random() < 0.1) :]


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
    other = _ALL[rng.integers(len(_ALL))]
    return bytes(data[: int(rng.integers(0, len(data) + 1))]) + other[int(rng.integers(0, len(other) + 1)) :]


def _size(data: bytearray, rng: np.random.Generator) -> bytes:
    """Write another size into the header, up to the maximum."""
    sides = [int(side) for side in rng.choice([0, 1, 7, 8, 63, 100, 1999, 2001, 65535], 2)]
    if data[:4] == b"\x89PNG" and len(data) > 24:
        data[16:24] = struct.pack(">II", *sides)
    if data[:2] == b"BM" and len(data) > 26:
        data[18:26] = struct.pack("<ii", sides[0], int(rng.choice([-1, 1])) * sides[1])
    if data[8:16] == b"WEBPVP8 " and len(data) > 30:
        data[26:30] = struct.pack("<HH", *sides)
    for marker in (b"\xff\xc0", b"\xff\xc2"):
        if (at := data.find(marker)) > 0:
            data[at + 5 : at + 9] = struct.pack(">HH", *sides)
    return bytes(data)


def _field(data: bytearray, rng: np.random.Generator) -> bytes:
    """Change a number in the header of a BMP or WebP file, or in the directory of a TIFF file."""
    order, start, end = "<", 8, min(len(data), 64)
    if bytes(data[:4]) in TIFF_SIGNATURES and len(data) > 8:
        order = "<" if data[:2] == b"II" else ">"
        start = struct.unpack_from(f"{order}I", data, 4)[0] + 2
        end = min(len(data), start + 12 * 15 + 4)
    size = int(rng.choice([1, 2, 4]))
    at = start + int(rng.integers(0, max(1, (end - start) // 2))) * 2
    if at + size > len(data):
        return bytes(data)
    value = int(rng.choice([0, 1, 2, 3, 4, 8, 16, 32, 255, 4095, 32773, 65535, 2**31 - 1, 2**31, 2**32 - 1]))
    data[at : at + size] = (value % 256**size).to_bytes(size, "little" if order == "<" else "big")
    return bytes(data)


def _marker(data: bytearray, rng: np.random.Generator) -> bytes:
    """Insert a JPEG marker, or the name of a PNG chunk, at a wrong place."""
    start, _ = _span(data, rng)
    names = [b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"iCCP", b"eXIf"]
    word = bytes([0xFF, int(rng.integers(0xC0, 0x100))]) if rng.random() < 0.5 else names[rng.integers(len(names))]
    data[start : start + len(word)] = word
    return bytes(data)


MUTATIONS = (_flip, _flip, _overwrite, _delete, _repeat, _cut, _splice, _size, _field, _field, _marker)


def with_right_checksums(encoded: bytes) -> bytes:
    """Correct the checksums of changed PNG chunks, because the decoder would ignore the chunks otherwise."""
    data, at = bytearray(encoded), 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return bytes(data)


def _with_another(encoded: bytes, rng: np.random.Generator) -> bytes:
    """Append another file or its end to an intact file, as a sender does that reuses one buffer."""
    start = 0 if rng.random() < 0.5 else int(rng.integers(0, len(encoded) + 1))
    return encoded + bytes(int(rng.integers(0, 3))) + encoded[start:]


def _with_changed_rows(encoded: bytes, rng: np.random.Generator) -> bytes:
    """Change the rows of a PNG before compression, so that zlib and the checksums accept them."""
    chunks = [(name, bytes(body)) for name, body, _ in png_chunks(encoded)]
    rows = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    changed = zlib.compress(MUTATIONS[rng.integers(3)](bytearray(rows), rng))
    first = [(name, body) for name, body in chunks if name not in (b"IDAT", b"IEND")]
    return PNG_SIGNATURE + b"".join(png_chunk(*chunk) for chunk in (*first, (b"IDAT", changed), (b"IEND", b"")))


def with_right_size(encoded: bytes) -> bytes:
    """Correct the outer size of a WebP file, because most files would be rejected for it otherwise."""
    if encoded[:4] != b"RIFF" or len(encoded) < 12:
        return encoded
    return b"RIFF" + struct.pack("<I", len(encoded) - 8) + encoded[8:]
