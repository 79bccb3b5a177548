"""Reduce a TIFF file to its strips and the tags that describe their storage.

libtiff then reads only data that was checked. Orientation and alpha are left out, because OpenCV rotates an image by
its orientation even with IMREAD_IGNORE_ORIENTATION, and multiplies the colours by an alpha channel.
"""

import struct
import zlib
from dataclasses import replace
from itertools import accumulate

import cv2
import numpy as np

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.headers import tiff

_SHORT, _LONG = 3, 4
_UNSPECIFIED = 0  # meaning of the extra sample; decoders would multiply the colours by an extra sample named alpha


def minimal_tiff(encoded: bytes) -> bytes:
    """Rewrite a TIFF file that `read_tiff_header` accepts, and check that compressed strips contain all their rows.

    The checksums of deflated strips are verified too. Raises FrameRejected for a damaged strip.
    """
    image = tiff.read_tiff_image(encoded)
    extents = zip(image.strip_offsets.tolist(), image.strip_bytes.tolist(), strict=True)
    strips = [memoryview(encoded)[at : at + size] for at, size in extents]
    if image.compression in (tiff.DEFLATE, tiff.OLD_DEFLATE):
        for number, strip in enumerate(strips):
            _check_deflated(strip, image.rows_of(number) * image.row_bytes)
    elif image.compression != tiff.UNCOMPRESSED and image.bits == 8:
        _check_complete(image, strips)
    return b"".join([_directory(image, strips), *strips])


def _check_deflated(strip: memoryview, size: int) -> None:
    inflater = zlib.decompressobj()
    try:
        rows = inflater.decompress(strip, size + 1)
    except zlib.error as error:
        raise FrameRejected(RejectReason.DAMAGED, f"a TIFF file with a damaged strip: {error}") from error
    if len(rows) != size or not inflater.eof:
        raise FrameRejected(RejectReason.DAMAGED, "a TIFF file with a strip whose length does not match its rows")


def _check_complete(image: tiff.TiffImage, strips: list[memoryview]) -> None:
    """Raise FrameRejected if a strip is cut.

    libtiff fills a cut strip of 8-bit samples with black, and OpenCV reports this only for 16-bit samples. Therefore
    the strips are first decoded as 16-bit samples. If rows have an odd number of bytes, the last few bytes of a strip
    (one per row) are not checked.
    """
    if image.row_bytes < 2:
        return
    words = replace(
        image,
        width_px=image.row_bytes // 2,
        samples=1,
        bits=16,
        photometric=tiff.BLACK_IS_ZERO,
        predictor=1,
    )
    encoded = np.frombuffer(b"".join([_directory(words, strips), *strips]), np.uint8)
    if cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH) is None:
        raise FrameRejected(RejectReason.DAMAGED, "a TIFF file with a damaged or truncated strip")


def _directory(image: tiff.TiffImage, strips: list[memoryview]) -> bytes:
    """Return the header, the tags and their values, after which the strips follow."""
    sizes = [len(strip) for strip in strips]
    tags: list[tuple[int, int, list[int]]] = [
        (tiff.WIDTH, _LONG, [image.width_px]),
        (tiff.HEIGHT, _LONG, [image.height_px]),
        (tiff.BITS, _SHORT, [image.bits] * image.samples),
        (tiff.COMPRESSION, _SHORT, [image.compression]),
        (tiff.PHOTOMETRIC, _SHORT, [image.photometric]),
        (tiff.STRIP_OFFSETS, _LONG, [0] * len(sizes)),
        (tiff.SAMPLES_PER_PIXEL, _SHORT, [image.samples]),
        (tiff.ROWS_PER_STRIP, _LONG, [image.rows_per_strip]),
        (tiff.STRIP_BYTES, _LONG, sizes),
        (tiff.PREDICTOR, _SHORT, [image.predictor]),
    ]
    if image.samples == 4:
        tags.append((tiff.EXTRA_SAMPLES, _SHORT, [_UNSPECIFIED]))
    values_at = 8 + 2 + 12 * len(tags) + 4
    data_at = values_at + sum(_value_bytes(kind, values) for _, kind, values in tags)
    offsets = list(accumulate(sizes[:-1], initial=data_at))
    order = "<" if image.byte_order == "little" else ">"
    entries, stored = b"", b""
    for tag, kind, values in tags:
        packed = struct.pack(
            f"{order}{len(values)}{'H' if kind == _SHORT else 'I'}",
            *(offsets if tag == tiff.STRIP_OFFSETS else values),
        )
        entries += struct.pack(f"{order}HHI", tag, kind, len(values))
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}I", values_at + len(stored))
            stored += packed + b"\0" * (len(packed) % 2)
    signature = tiff.TIFF_SIGNATURES[0 if order == "<" else 1]
    return signature + struct.pack(f"{order}IH", 8, len(tags)) + entries + bytes(4) + stored


def _value_bytes(kind: int, values: list[int]) -> int:
    """Return the bytes of the values stored outside the tag's entry, padded to even; up to 4 bytes fit inside it."""
    size = len(values) * (2 if kind == _SHORT else 4)
    return 0 if size <= 4 else size + size % 2
