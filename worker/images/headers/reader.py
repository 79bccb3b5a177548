"""Recognize the format of an image file by its first bytes, and read its header.

A decoder allocates as much memory as the header asks for, so the size is checked before decoding. A decoder may also
fill the missing part of a truncated file with arbitrary pixels, so each reader checks that its file is complete.
"""

from collections.abc import Callable

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.headers.bmp import BMP_SIGNATURE, read_bmp_header
from stripwatch.worker.images.headers.header import ImageHeader, truncated
from stripwatch.worker.images.headers.jpeg import read_jpeg_header
from stripwatch.worker.images.headers.png import PNG_SIGNATURE, read_png_header
from stripwatch.worker.images.headers.tiff import BIG_TIFF_SIGNATURES, TIFF_SIGNATURES, read_tiff_header
from stripwatch.worker.images.headers.webp import is_webp, read_webp_header

_READERS: dict[bytes, Callable[[bytes], ImageHeader]] = {
    b"\xff\xd8\xff": read_jpeg_header,
    PNG_SIGNATURE: read_png_header,
    **dict.fromkeys(TIFF_SIGNATURES, read_tiff_header),
    BMP_SIGNATURE: read_bmp_header,
}
_READABLE = "supported are JPEG, PNG, BMP, TIFF and WebP files, and raw buffers with the header ce_pixelformat"
_UNREADABLE = {
    **dict.fromkeys(BIG_TIFF_SIGNATURES, "BigTIFF"),
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\x00\x00\x00\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"GIF8": "GIF",
    b"%PDF": "PDF",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"8BPS": "Photoshop",
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "ZIP",
}
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"mif1": "HEIF", b"msf1": "HEIF"}  # of an ISO base media file


def read_header(encoded: bytes) -> ImageHeader:
    """Read the size and samples of a complete image file.

    Raises FrameRejected with reason empty, unsupported_format, unsupported_colour, truncated, damaged or undecodable.
    """
    if not encoded:
        raise FrameRejected(RejectReason.EMPTY, "the record has no value")
    for signature, read in _READERS.items():
        if encoded.startswith(signature):
            return read(encoded)
        if signature.startswith(encoded):
            raise truncated("image", encoded)
    if is_webp(encoded):
        return read_webp_header(encoded)
    if (name := _name_unreadable(encoded)) is not None:
        raise FrameRejected(RejectReason.UNSUPPORTED_FORMAT, f"{name} files are not supported; {_READABLE}")
    begins = f"unknown image format, beginning with {encoded[:8].hex(' ')}; {_READABLE}"
    raise FrameRejected(RejectReason.UNSUPPORTED_FORMAT, begins)


def _name_unreadable(encoded: bytes) -> str | None:
    if encoded[4:8] == b"ftyp":
        brand = encoded[8:12]
        return "HEIC" if brand[:3] in (b"hei", b"hev") else _BRANDS.get(brand, "video")
    if encoded.startswith(b"{") and encoded[1:100].lstrip().startswith(b'"'):
        return "JSON"  # also a CloudEvent in structured mode
    return next((name for signature, name in _UNREADABLE.items() if encoded.startswith(signature)), None)
