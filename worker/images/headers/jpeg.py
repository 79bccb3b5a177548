"""Read the header of a JPEG file, and whether the file is complete. Source: ITU-T T.81, annex B."""

import numpy as np

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.headers.header import ImageHeader, truncated

_START_OF_SCAN = 0xDA
_SCANS_MAX = 64  # progressive files of cameras and libraries have about ten
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


def read_jpeg_header(encoded: bytes) -> ImageHeader:
    """Raises FrameRejected for a file that is incomplete or malformed."""
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
        raise truncated("JPEG", encoded)
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
        raise truncated("JPEG", encoded)
    if encoded[at - 1] != 0xFF:
        raise FrameRejected(RejectReason.UNDECODABLE, f"no JPEG marker at byte {at}")
    marker = encoded[at]
    if marker in _WITHOUT_LENGTH:
        return marker, at + 1, 0
    size = int.from_bytes(encoded[at + 1 : at + 3], "big") - 2
    if at + 3 > len(encoded) or at + 3 + size > len(encoded):
        raise truncated("JPEG", encoded)
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
