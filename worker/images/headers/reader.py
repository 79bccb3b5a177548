"""Tell the format of an image file by its first bytes, and read its header.

A decoder trusts the size in a header with memory, so the size is checked before decoding. A decoder may also fill the
missing part of a truncated file with anything, so each reader checks that its file is complete.
"""

from collections.abc import Callable

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.headers.header import ImageHeader
from stripwatch.worker.images.headers.jpeg import read_jpeg_header
from stripwatch.worker.images.headers.png import PNG_SIGNATURE, read_png_header

_READERS: dict[bytes, Callable[[bytes], ImageHeader]] = {
    b"\xff\xd8\xff": read_jpeg_header,
    PNG_SIGNATURE: read_png_header,
}


def read_header(encoded: bytes) -> ImageHeader:
    """Read size and samples of a complete image file.

    Raises FrameRejected: empty, unsupported_format, unsupported_colour, truncated, damaged or undecodable.
    """
    if not encoded:
        raise FrameRejected(RejectReason.EMPTY, "the record has no value")
    for signature, read in _READERS.items():
        if encoded.startswith(signature):
            return read(encoded)
    raise FrameRejected(RejectReason.UNSUPPORTED_FORMAT, f"neither JPEG nor PNG: begins with {encoded[:8].hex(' ')}")
