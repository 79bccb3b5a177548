"""Variants of a JPEG file with the same pixels, but without harmless peculiarities that libjpeg warns about.

The decoder treats every warning as damage and reports only the first one, so a harmless warning could hide real damage.
Therefore such peculiarities are removed, and no warning is tolerated. Source of the fields: libjpeg-turbo 3.1,
jdmarker.c, jdapimin.c, jdicc.c and jdhuff.c.
"""

from collections.abc import Iterator

from stripwatch.worker.images.headers.jpeg import END_MARKER, SEQUENTIAL, START_OF_SCAN, segments

_APP0, _APP2, _APP14 = 0xE0, 0xE2, 0xEE
_JFIF, _JFIF_BYTES, _JFIF_REVISION = b"JFIF\0", 14, b"\x01\x02"
_ICC = b"ICC_PROFILE\0"
_ADOBE, _ADOBE_BYTES, _ADOBE_YCBCR = b"Adobe", 12, 1
_WHOLE_SPECTRUM = b"\x00\x3f\x00"  # of a sequential scan: coefficients 0 to 63, without approximation


def jpeg_variants(encoded: bytes) -> Iterator[bytes]:
    """Yield the file itself, then variants that differ from it. All have the same pixels if one of them is intact.

    encoded: A file whose header `read_jpeg_header` has accepted.
    """
    yield encoded
    normalised = _normalise_fields(encoded)
    if normalised != encoded:
        yield normalised
    unpadded = _without_padding(normalised)
    if unpadded != normalised:
        yield unpadded


def _normalise_fields(encoded: bytes) -> bytes:
    """Set header fields to the values that libjpeg assumes when it warns, and hide ICC profiles, which are not used."""
    changed = bytearray(encoded)
    sequential = False
    for marker, at, size in segments(encoded):
        body = encoded[at : at + size]
        if marker == _APP0 and size >= _JFIF_BYTES and body.startswith(_JFIF):
            changed[at + 5 : at + 7] = _JFIF_REVISION
        elif marker == _APP2 and body.startswith(_ICC):
            changed[at] = 0
        elif marker == _APP14 and size >= _ADOBE_BYTES and body.startswith(_ADOBE) and body[11] > _ADOBE_YCBCR:
            changed[at + 11] = _ADOBE_YCBCR
        elif marker in SEQUENTIAL:
            sequential = True
        elif marker == START_OF_SCAN and sequential:
            _normalise_scans(changed, at - 4)
    return bytes(changed)


def _normalise_scans(changed: bytearray, at: int) -> None:
    """Normalize the spectrum and the approximation of each scan, which decoders of sequential files ignore."""
    while (at := changed.find(bytes([0xFF, START_OF_SCAN]), at)) >= 0:
        size, components = (
            int.from_bytes(changed[at + 2 : at + 4], "big"),
            int.from_bytes(changed[at + 4 : at + 5], "big"),
        )
        end = at + 2 + size
        if size == 6 + 2 * components and end <= len(changed):
            changed[end - 3 : end] = _WHOLE_SPECTRUM
        at += 2


def _without_padding(encoded: bytes) -> bytes:
    """Remove the zero bytes before the end marker, with which some senders pad the last scan."""
    scan_at = max(at for _, at, _ in segments(encoded))
    end = encoded.find(END_MARKER, scan_at)
    scan = encoded[:end].rstrip(b"\0")
    if scan.endswith(b"\xff"):
        scan += b"\0"  # FF 00 is an escaped byte of the scan, not padding
    return scan + encoded[end:]
