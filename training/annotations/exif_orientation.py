"""Orientation of an image in its EXIF data (CIPA DC-008, tag 0x0112).

Training and the worker ignore it, but viewers and labelling tools may rotate the image by it.
"""

import struct

_TAG = 0x0112
_HEAD_BYTES = 1 << 18  # EXIF data comes first in JPEG and PNG files
ROTATED_SIDEWAYS = frozenset({5, 6, 7, 8})


def exif_orientation(encoded: bytes) -> int:
    """Return the orientation, 1 to 8, of a JPEG, PNG, WebP or TIFF file; 1 (upright) if it states none."""
    start = _tiff_start(encoded)
    try:
        return _read(encoded, start) if start is not None else 1
    except struct.error:
        return 1


def _tiff_start(encoded: bytes) -> int | None:
    """Return where the EXIF data begin, which have the structure of a TIFF file."""
    if encoded[:4] in (b"II*\0", b"MM\0*"):
        return 0
    at = -1
    if encoded.startswith(b"\xff\xd8"):
        at = encoded.find(b"Exif\0\0", 0, _HEAD_BYTES)
        return at + 6 if at >= 0 else None
    if encoded.startswith(b"\x89PNG"):
        at = encoded.find(b"eXIf", 0, _HEAD_BYTES)
        return at + 4 if at >= 0 else None
    if encoded[8:12] == b"WEBP":
        at = encoded.find(b"EXIF")
        return at + 8 if at >= 0 else None
    return None


def _read(encoded: bytes, start: int) -> int:
    order = "<" if encoded[start : start + 2] == b"II" else ">"
    (first,) = struct.unpack_from(f"{order}I", encoded, start + 4)
    (count,) = struct.unpack_from(f"{order}H", encoded, start + first)
    for at in range(count):
        tag, _, _, value = struct.unpack_from(f"{order}HHIH", encoded, start + first + 2 + 12 * at)
        if tag == _TAG:
            return value if 1 <= value <= 8 else 1
    return 1
