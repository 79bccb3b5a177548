"""What the first bytes of an image file say, read before any pixel is decoded.

A decoder trusts these numbers with memory, so they are checked first; and a decoder may fill the missing part of a
truncated file with anything, so the end is looked for as well.
Sources: JPEG is ITU-T T.81 annex B; PNG is the W3C PNG specification, chapters 5 and 11.
"""

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stripwatch.worker.common.errors import FrameRejected, RejectReason

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_START_OF_SCAN = 0xDA
_SCANS_MAX = 64  # progressive files of cameras and libraries have about ten
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Size in pixels as stored (any EXIF rotation is ignored), channels and bits a channel."""

    format: Literal["jpeg", "png"]
    width_px: int
    height_px: int
    channels: int
    bits: int


def read_header(encoded: bytes) -> ImageHeader:
    """Read size and colour of a complete JPEG or PNG file.

    Raises FrameRejected: empty, unsupported_format, or truncated.
    """
    if not encoded:
        raise FrameRejected(RejectReason.EMPTY, "the record has no value")
    if encoded.startswith(_JPEG_SIGNATURE):
        return _read_jpeg(encoded)
    if encoded.startswith(_PNG_SIGNATURE):
        return _read_png(encoded)
    raise FrameRejected(RejectReason.UNSUPPORTED_FORMAT, f"neither JPEG nor PNG: begins with {encoded[:8].hex(' ')}")


def _read_jpeg(encoded: bytes) -> ImageHeader:
    header: ImageHeader | None = None
    at = 2
    while True:
        marker, body_at, body_size = _next_segment(encoded, at)
        if marker in _START_OF_FRAME:
            header = _read_start_of_frame(encoded[body_at : body_at + body_size])
        elif marker == _START_OF_SCAN:
            break
        at = body_at + body_size
    if _count_scans(encoded, body_at) > _SCANS_MAX:  # each goes over the whole image again: hours, in a few MB
        raise FrameRejected(RejectReason.UNDECODABLE, f"a JPEG file of more than {_SCANS_MAX} scans")
    # Entropy-coded data never holds FF D9, so the first scan to the end is where the end marker must be;
    # a thumbnail's own end marker lies before the scan.
    if header is None or encoded.rfind(b"\xff\xd9", body_at) < 0:
        raise _truncated("JPEG", encoded)
    return header


def _count_scans(encoded: bytes, at: int) -> int:
    """How often FF DA stands from there on. bytes.count takes ten times as long: 0.1 ms for a strip, with the GIL."""
    content = np.frombuffer(encoded, np.uint8, offset=at)
    return int(np.count_nonzero((content[:-1] == 0xFF) & (content[1:] == _START_OF_SCAN)))


def _next_segment(encoded: bytes, at: int) -> tuple[int, int, int]:
    """Marker, start and size of the next JPEG segment's body."""
    while at < len(encoded) and encoded[at] == 0xFF:  # fill bytes
        at += 1
    if at == 0 or at >= len(encoded):
        raise _truncated("JPEG", encoded)
    if encoded[at - 1] != 0xFF:
        raise FrameRejected(RejectReason.UNDECODABLE, f"no JPEG marker at byte {at}")
    marker = encoded[at]
    if marker in _WITHOUT_LENGTH:
        return marker, at + 1, 0
    size = int.from_bytes(encoded[at + 1 : at + 3], "big") - 2
    if at + 3 > len(encoded) or at + 3 + size > len(encoded):
        raise _truncated("JPEG", encoded)
    if size < 0:
        raise FrameRejected(RejectReason.UNDECODABLE, f"a JPEG segment of negative size at byte {at}")
    return marker, at + 3, size


def _read_start_of_frame(body: bytes) -> ImageHeader:
    if len(body) < 6:
        raise FrameRejected(RejectReason.UNDECODABLE, "a JPEG frame header of fewer than 6 bytes")
    return ImageHeader(
        format="jpeg",
        height_px=int.from_bytes(body[1:3], "big"),
        width_px=int.from_bytes(body[3:5], "big"),
        channels=body[5],
        bits=body[0],
    )


_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by PNG colour type; a palette (3) expands to RGB


def _read_png(encoded: bytes) -> ImageHeader:
    header: ImageHeader | None = None
    at = len(_PNG_SIGNATURE)
    while True:
        size = int.from_bytes(encoded[at : at + 4], "big")
        end = at + 12 + size
        if at + 12 > len(encoded) or end > len(encoded):
            raise _truncated("PNG", encoded)
        name = encoded[at + 4 : at + 8]
        if (name == b"IHDR") != (header is None):  # a decoder might believe another one of two
            raise FrameRejected(
                RejectReason.UNDECODABLE, "a PNG file whose header chunk is not its first, or not alone"
            )
        if zlib.crc32(memoryview(encoded)[at + 4 : end - 4]) != int.from_bytes(encoded[end - 4 : end], "big"):
            raise FrameRejected(RejectReason.UNDECODABLE, f"PNG chunk {name!r} has a wrong checksum")
        if name == b"IHDR":
            header = _read_image_header(encoded[at + 8 : end - 4])
        elif name == b"IEND" and header is not None:
            return header
        at = end


def _read_image_header(body: bytes) -> ImageHeader:
    if len(body) != 13 or body[9] not in _PNG_CHANNELS:
        raise FrameRejected(RejectReason.UNDECODABLE, "a PNG header chunk that is malformed")
    return ImageHeader(
        format="png",
        width_px=int.from_bytes(body[0:4], "big"),
        height_px=int.from_bytes(body[4:8], "big"),
        channels=_PNG_CHANNELS[body[9]],
        bits=body[8],
    )


def _truncated(kind: str, encoded: bytes) -> FrameRejected:
    return FrameRejected(RejectReason.TRUNCATED, f"the {kind} file ends early, after {len(encoded)} bytes")
