"""Invalid frames that a careless or hostile sender might send, and the reason for which each must be rejected."""

import struct
import zlib

import cv2
import numpy as np

from stripwatch.worker.common.errors import RejectReason
from tests.tiny import encode_frame


def jpeg(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def huge_jpeg() -> bytes:
    """Return a small JPEG file whose header states 30,000 x 30,000 pixels."""
    encoded = bytearray(encode_frame(0.5, suffix=".jpg"))
    at = encoded.index(b"\xff\xc0")
    encoded[at + 5 : at + 9] = struct.pack(">HH", 30_000, 30_000)
    return bytes(encoded)


def huge_png() -> bytes:
    """Return a small PNG file whose header, with a correct checksum, states 30,000 x 30,000 pixels."""
    encoded = bytearray(encode_frame(0.5))
    encoded[16:24] = struct.pack(">II", 30_000, 30_000)
    encoded[29:33] = struct.pack(">I", zlib.crc32(encoded[12:29]))
    return bytes(encoded)


def cmyk_jpeg() -> bytes:
    """Return a JPEG file whose start of frame states four channels, as in a CMYK file."""
    encoded = encode_frame(0.5, suffix=".jpg")
    at = encoded.index(b"\xff\xc0")
    size = int.from_bytes(encoded[at + 2 : at + 4], "big")
    components = b"".join(bytes([i, 0x11, 0]) for i in range(1, 5))
    body = encoded[at + 4 : at + 9] + b"\x04" + components
    return encoded[:at] + b"\xff\xc0" + struct.pack(">H", len(body) + 2) + body + encoded[at + 2 + size :]


def two_headers_png() -> bytes:
    """Return a PNG file of 30,000 x 30,000 pixels with a second, harmless header before its end."""
    small = encode_frame(0.5)
    end = small.index(b"IEND") - 4
    return huge_png()[:end] + small[8:33] + small[end:]


def many_scans_jpeg() -> bytes:
    """Return a progressive file that repeats its last scan 2,000 times."""
    encoded = cv2.imencode(".jpg", np.full((32, 48), 128, np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    scan = encoded[encoded.rindex(b"\xff\xda") : -2]
    return encoded[:-2] + scan * 2000 + encoded[-2:]


def flipped(encoded: bytes) -> bytes:
    """Return the file with one bit flipped in the middle."""
    changed = bytearray(encoded)
    changed[len(changed) // 2] ^= 0x10
    return bytes(changed)


BAD_FRAMES: dict[str, tuple[bytes | None, RejectReason]] = {
    "no value": (None, RejectReason.EMPTY),
    "empty value": (b"", RejectReason.EMPTY),
    "random bytes": (np.random.default_rng(0).bytes(5000), RejectReason.UNSUPPORTED_FORMAT),
    "a text file": (b"coil C4711 was fine\n" * 10, RejectReason.UNSUPPORTED_FORMAT),
    "a PNG cut in half": (encode_frame(0.5)[:700], RejectReason.TRUNCATED),
    "a JPEG cut in half": (encode_frame(0.5, suffix=".jpg")[:500], RejectReason.TRUNCATED),
    "a JPEG without its last byte": (encode_frame(0.5, suffix=".jpg")[:-1], RejectReason.TRUNCATED),
    "three bytes of JPEG": (b"\xff\xd8\xff", RejectReason.TRUNCATED),
    "a signature of PNG": (b"\x89PNG\r\n\x1a\n", RejectReason.TRUNCATED),
    "a PNG with a changed bit": (flipped(encode_frame(0.5)), RejectReason.DAMAGED),
    "a JPEG of 30,000 x 30,000": (huge_jpeg(), RejectReason.TOO_MANY_PIXELS),
    "a PNG of 30,000 x 30,000": (huge_png(), RejectReason.TOO_MANY_PIXELS),
    "a PNG with two headers": (two_headers_png(), RejectReason.DAMAGED),
    "a JPEG of 2,000 scans": (many_scans_jpeg(), RejectReason.UNDECODABLE),
    "a 1x1 image": (png(np.full((1, 1), 128, np.uint8)), RejectReason.TOO_SMALL),
    "a CMYK JPEG": (cmyk_jpeg(), RejectReason.UNSUPPORTED_COLOUR),
    "a GIF file": (cv2.imencode(".gif", np.zeros((16, 16, 3), np.uint8))[1].tobytes(), RejectReason.UNSUPPORTED_FORMAT),
}

_GREY = np.full((32, 48), 128, np.uint8)

GOOD_FRAMES: dict[str, bytes] = {
    "grey JPEG": jpeg(_GREY),
    "colour JPEG": jpeg(np.dstack([_GREY] * 3)),
    "progressive JPEG": cv2.imencode(".jpg", _GREY, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(),
    "JPEG with bytes after its end": jpeg(_GREY) + b"\x00" * 16,
    "grey PNG": png(_GREY),
    "16-bit PNG": png(np.full((32, 48), 128 * 257, np.uint16)),
    "BMP": cv2.imencode(".bmp", _GREY)[1].tobytes(),
    "TIFF": cv2.imencode(".tif", _GREY)[1].tobytes(),
    "16-bit TIFF": cv2.imencode(".tif", np.full((32, 48), 128 * 257, np.uint16))[1].tobytes(),
    "lossless WebP": cv2.imencode(".webp", np.dstack([_GREY] * 3), [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes(),
    "PNG with alpha": png(np.dstack([_GREY] * 3 + [np.full_like(_GREY, 7)])),
}
