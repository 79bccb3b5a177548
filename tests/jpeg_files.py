"""JPEG files of every kind that cameras write, harmless irregularities, and kinds of damage."""

from collections.abc import Callable

import cv2
import numpy as np

from stripwatch.worker.images.decode_spec import Pixels

_JFIF_BYTES = 18  # length of the segment that OpenCV writes after the start marker


def texture(seed: int = 0, size: tuple[int, int] = (120, 160), colour: bool = True) -> Pixels:
    """Return smoothed noise, whose scan is long and never repeats."""
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3 if colour else 1), np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (5, 5), 0), np.uint8)


def encode(pixels: Pixels, *options: int) -> bytes:
    return cv2.imencode(".jpg", pixels, list(options))[1].tobytes()


KINDS: dict[str, Callable[[Pixels], bytes]] = {
    "baseline": encode,
    "optimised": lambda pixels: encode(pixels, cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    "progressive": lambda pixels: encode(pixels, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restart markers": lambda pixels: encode(pixels, cv2.IMWRITE_JPEG_RST_INTERVAL, 5),
    "4:4:4": lambda pixels: encode(pixels, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111),
    "4:1:1": lambda pixels: encode(pixels, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x411111),
    "4:4:0": lambda pixels: encode(pixels, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x121111),
}


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def insert(encoded: bytes, piece: bytes) -> bytes:
    """Insert a segment right after the start marker."""
    return encoded[:2] + piece + encoded[2:]


def revised(encoded: bytes, major: int = 2, minor: int = 1) -> bytes:
    """Return the file with this JFIF revision."""
    assert encoded[6:11] == b"JFIF\0"
    return encoded[:11] + bytes([major, minor]) + encoded[13:]


def without_jfif(encoded: bytes) -> bytes:
    assert encoded[6:11] == b"JFIF\0"
    return encoded[:2] + encoded[2 + _JFIF_BYTES :]


def _with_adobe(encoded: bytes, transform: int) -> bytes:
    return insert(without_jfif(encoded), segment(0xEE, b"Adobe" + bytes([0, 100, 0, 0, 0, 0, transform])))


def _with_scan_parameters(encoded: bytes) -> bytes:
    """Set the coefficient range 0 to 0, a wrong value that some sequential encoders write and every decoder ignores."""
    at = encoded.index(b"\xff\xda")
    end = at + 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    return encoded[: end - 2] + b"\0" + encoded[end - 1 :] if _is_sequential(encoded) else encoded


def _is_sequential(encoded: bytes) -> bool:
    return b"\xff\xc2" not in encoded


def _padded(encoded: bytes) -> bytes:
    return encoded[:-2] + bytes(500) + encoded[-2:]


HARMLESS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda encoded: encoded,
    "JFIF 2.01": revised,
    "JFIF 0.00": lambda encoded: revised(encoded, 0, 0),
    "two JFIF segments": lambda encoded: encoded[:20] + revised(encoded)[2:20] + encoded[20:],
    "no JFIF": without_jfif,
    "odd density": lambda encoded: encoded[:13] + b"\x63\0\0\0\0\5\5" + encoded[20:],
    "Adobe transform 2": lambda encoded: _with_adobe(encoded, 2),
    "Adobe transform 1": lambda encoded: _with_adobe(encoded, 1),
    "broken ICC profile": lambda encoded: insert(encoded, segment(0xE2, b"ICC_PROFILE\0\2\5nonsense")),
    "repeated ICC profile": lambda encoded: insert(encoded, segment(0xE2, b"ICC_PROFILE\0\1\2nonsense") * 2),
    "odd application segments": lambda encoded: insert(
        encoded, b"".join(segment(marker, b"odd") for marker in range(0xE0, 0xF0))
    ),
    "a comment": lambda encoded: insert(encoded, segment(0xFE, b"\xff\xd9\xff\xda")),
    "a thumbnail": lambda encoded: insert(encoded, segment(0xE1, encode(texture(9, (8, 8))))),
    "fill bytes": lambda encoded: insert(encoded, b"\xff" * 7),
    "odd scan parameters": _with_scan_parameters,
    "a zero before the end": lambda encoded: encoded[:-2] + b"\0" + encoded[-2:],
    "padding before the end": _padded,
    "padding, and JFIF 2.01": lambda encoded: _padded(revised(encoded)),
    "bytes after the end": lambda encoded: encoded + bytes(range(256)) * 4,
    "a file after the end": lambda encoded: encoded + encoded,
}


def scan_at(encoded: bytes) -> int:
    """Return the start of the data of the last scan in the first half; a progressive file has several scans."""
    starts = [at for at in range(len(encoded) // 2) if encoded[at : at + 2] == b"\xff\xda"]
    return starts[-1] + 14


def _cut_at(encoded: bytes) -> int:
    start = scan_at(encoded)
    return start + (len(encoded) - start) // 3


def _end_marker(encoded: bytes, following: bytes) -> bytes:
    return encoded[: _cut_at(encoded)] + b"\xff\xd9"


def _hole(encoded: bytes, following: bytes) -> bytes:
    cut = _cut_at(encoded)
    return encoded[:cut] + encoded[cut + (len(encoded) - cut) // 2 :]


def _joined(encoded: bytes, following: bytes) -> bytes:
    return encoded[: _cut_at(encoded)] + following


def _repeated(encoded: bytes, following: bytes) -> bytes:
    cut = _cut_at(encoded)
    return encoded[:cut] + encoded[cut - 200 :]


def _zeros(encoded: bytes, following: bytes) -> bytes:
    cut = _cut_at(encoded)
    return encoded[:cut] + bytes(len(encoded) - cut - 2) + b"\xff\xd9"


DAMAGES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "cut, with an end marker": _end_marker,
    "a hole": _hole,
    "joined with the next file": _joined,
    "a part sent twice": _repeated,
    "the end is zeros": _zeros,
}


def scan_ends(encoded: bytes) -> list[int]:
    """Return where one of several scans ends and the next segment begins."""
    starts = [at for at in range(len(encoded)) if encoded[at : at + 2] == b"\xff\xda"]
    ends = []
    for start in starts[:-1]:
        at = start + 2
        while encoded[at] != 0xFF or encoded[at + 1] in (0, *range(0xD0, 0xD8)):
            at += 1
        ends.append(at)
    return ends
