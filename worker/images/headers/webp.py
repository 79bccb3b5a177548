"""Read the header of a WebP file, and check that it is complete. Sources: RFC 9649 (WebP), RFC 6386 (VP8)."""

import struct
from collections.abc import Iterator

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.headers.header import ImageHeader, begins_image, check_part_count, truncated

_RIFF_HEADER_BYTES, _CHUNK_HEADER_BYTES = 12, 8
_ANIMATION_FLAG = 0x02


def is_webp(encoded: bytes) -> bool:
    """Return whether the bytes are a WebP file, which may be cut within its first bytes."""
    return b"RIFF".startswith(encoded[:4]) and b"WEBP".startswith(encoded[8:12])


def read_webp_header(encoded: bytes) -> ImageHeader:
    """Read the header of a WebP file. Raises FrameRejected for an incomplete, malformed or animated file."""
    chunks = list(_chunks(encoded))
    extended = next((body for name, body in chunks if name == b"VP8X"), None)
    if any(name in (b"ANIM", b"ANMF") for name, _ in chunks) or (extended and extended[0] & _ANIMATION_FLAG):
        raise FrameRejected(RejectReason.UNSUPPORTED_FORMAT, "animated WebP files are not supported")
    name, body = _image_chunk(encoded)
    width_px, height_px = _lossy_size(body) if name == b"VP8 " else _lossless_size(body)
    if extended is not None and (len(extended) < 10 or _canvas_size(extended) != (width_px, height_px)):
        raise _damaged("a WebP file whose image size differs from its canvas size")
    end = 8 + int.from_bytes(encoded[4:8], "little")
    second_image = begins_image(encoded, end, b"RIFF")
    return ImageHeader("webp", width_px, height_px, channels=3, bits=8, second_image=second_image)


def minimal_webp(encoded: bytes) -> bytes:
    """Remove metadata and a separately stored alpha channel from a WebP file."""
    name, body = _image_chunk(encoded)
    chunk = name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def _image_chunk(encoded: bytes) -> tuple[bytes, memoryview]:
    """Return name and content of the chunk with the pixels."""
    images = [(name, body) for name, body in _chunks(encoded) if name in (b"VP8 ", b"VP8L")]
    if len(images) != 1:
        raise _damaged(f"a WebP file with {len(images)} images instead of one")
    return images[0]


def _chunks(encoded: bytes) -> Iterator[tuple[bytes, memoryview]]:
    end = 8 + int.from_bytes(encoded[4:8], "little")
    if len(encoded) < _RIFF_HEADER_BYTES or end > len(encoded):
        raise truncated("WebP", encoded)
    at, count = _RIFF_HEADER_BYTES, 0
    while at < end:
        count += 1
        check_part_count("WebP", count)
        size = int.from_bytes(encoded[at + 4 : at + 8], "little")
        body_at = at + _CHUNK_HEADER_BYTES
        if body_at + size > end:
            raise _damaged("a WebP file whose chunks exceed its size")
        yield encoded[at : at + 4], memoryview(encoded)[body_at : body_at + size]
        at = body_at + size + size % 2


def _lossy_size(body: memoryview) -> tuple[int, int]:
    if len(body) < 10 or bytes(body[3:6]) != b"\x9d\x01\x2a" or body[0] & 1:  # bit 0: not a key frame
        raise _damaged("a WebP file without the start of a VP8 key frame")
    return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF


def _lossless_size(body: memoryview) -> tuple[int, int]:
    if len(body) < 5 or body[0] != 0x2F:
        raise _damaged("a WebP file without the start of a VP8L image")
    bits = int.from_bytes(body[1:5], "little")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _canvas_size(extended: memoryview) -> tuple[int, int]:
    return int.from_bytes(extended[4:7], "little") + 1, int.from_bytes(extended[7:10], "little") + 1


def _damaged(detail: str) -> FrameRejected:
    return FrameRejected(RejectReason.DAMAGED, detail)
