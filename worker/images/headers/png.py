"""Read the header of a PNG file, and whether the file is complete. Source: W3C PNG specification, chapters 5 and 11."""

import zlib

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.headers.header import ImageHeader, truncated

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by PNG colour type; a palette (3) expands to RGB


def read_png_header(encoded: bytes) -> ImageHeader:
    """Raises FrameRejected for a file that is incomplete or malformed, or has a chunk with a wrong checksum."""
    header: ImageHeader | None = None
    at = len(PNG_SIGNATURE)
    while True:
        size = int.from_bytes(encoded[at : at + 4], "big")
        end = at + 12 + size
        if at + 12 > len(encoded) or end > len(encoded):
            raise truncated("PNG", encoded)
        name = encoded[at + 4 : at + 8]
        if (name == b"IHDR") != (header is None):  # a decoder might believe another one of two
            raise FrameRejected(RejectReason.DAMAGED, "a PNG file whose header chunk is not its first, or not alone")
        if zlib.crc32(memoryview(encoded)[at + 4 : end - 4]) != int.from_bytes(encoded[end - 4 : end], "big"):
            raise FrameRejected(RejectReason.DAMAGED, f"PNG chunk {name!r} has a wrong checksum")
        if name == b"IHDR":
            header = _read_image_header(encoded[at + 8 : end - 4])
        elif name == b"IEND" and header is not None:
            return header
        at = end


def _read_image_header(body: bytes) -> ImageHeader:
    if len(body) != 13 or body[9] not in _PNG_CHANNELS:
        raise FrameRejected(RejectReason.DAMAGED, "a PNG header chunk that is malformed")
    return ImageHeader(
        format="png",
        width_px=int.from_bytes(body[0:4], "big"),
        height_px=int.from_bytes(body[4:8], "big"),
        channels=_PNG_CHANNELS[body[9]],
        bits=body[8],
    )
