"""Read the header of a JPEG file, and check that it is complete. Source: ITU-T T.81, annex B."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.headers.header import ImageHeader, begins_image, check_part_count, truncated
from stripwatch.worker.images.headers.jpeg_scans import bring_all, read_scan

START_MARKERS, END_MARKER = b"\xff\xd8\xff", b"\xff\xd9"  # a file begins with its start and another marker
START_OF_SCAN = 0xDA
SEQUENTIAL = frozenset({0xC0, 0xC1})
_PROGRESSIVE = 0xC2
_END, _TABLES, _APP2 = 0xD9, frozenset({0xC4, 0xDB}), 0xE2
_MULTI_PICTURE = b"MPF\0"  # CIPA DC-007: announces that a preview follows the image
# The decoder supports arithmetic coding, but does not notice damage there: it continues a cut scan with zeros.
_UNSUPPORTED = {
    **dict.fromkeys((0xC3, 0xCB), "lossless JPEG"),
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical JPEG"),
    **dict.fromkeys((0xC9, 0xCA), "arithmetic-coded JPEG"),
    0xF7: "JPEG-LS",
}
_FILL_BYTES = re.compile(rb"\xff+")
_SEGMENT_HEADER_BYTES = 4  # marker and length
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})
_SCANS_MAX = 64  # progressive files from cameras and libraries have about ten
# Supported by libjpeg-turbo: these factors of luma if both chroma have 1x1, and of chroma if luma has 2x2.
_LUMA_SAMPLING = frozenset({(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (1, 4)})
_CHROMA_SAMPLING = frozenset({(1, 2), (2, 1)})
_EQUAL_SAMPLING_MAX = 3  # blocks of each component, if all have the same factors


class Segment(NamedTuple):
    """A marker with the offset and size of its body; the body excludes the two bytes of its length."""

    marker: int
    at: int
    size: int


def read_jpeg_header(encoded: bytes) -> ImageHeader:
    """Read the header of a JPEG file. Raises FrameRejected for a truncated, malformed or unsupported file."""
    frame: Segment | None = None
    scan_at, is_multi_picture = 0, False
    for segment in segments(encoded):
        if segment.marker in SEQUENTIAL or segment.marker == _PROGRESSIVE:
            if frame is not None:  # a decoder might use the other one
                raise FrameRejected(RejectReason.DAMAGED, "a JPEG file with two frame headers")
            frame = segment
        elif segment.marker in _UNSUPPORTED:
            raise FrameRejected(
                RejectReason.UNSUPPORTED_FORMAT, f"{_UNSUPPORTED[segment.marker]} files are not supported"
            )
        elif segment.marker == _APP2:
            is_multi_picture |= encoded.startswith(_MULTI_PICTURE, segment.at)
        scan_at = segment.at
    scans = _find_scans(encoded, scan_at - _SEGMENT_HEADER_BYTES)
    if len(scans) > _SCANS_MAX:  # each scan processes the whole image again: a few MB could take hours
        raise FrameRejected(RejectReason.UNDECODABLE, f"a JPEG file with more than {_SCANS_MAX} scans")
    if frame is None:
        raise FrameRejected(RejectReason.DAMAGED, "a JPEG file without a frame header before its first scan")
    # Entropy-coded data never contains FF D9, so the first FF D9 after the start of the scan is the end marker.
    # A thumbnail's end marker comes before the scan.
    end = encoded.find(END_MARKER, scan_at)
    if end < 0:
        raise truncated("JPEG", encoded)
    body = encoded[frame.at : frame.at + frame.size]
    header, components = _read_start_of_frame(body), body[6::3]
    found = [read_scan(encoded, at) for at in scans if at < end]
    progressive = frame.marker == _PROGRESSIVE
    return replace(
        header,
        complete=bring_all(found, components, progressive),
        progressive=progressive,
        second_image=not is_multi_picture and begins_image(encoded, end + len(END_MARKER), START_MARKERS),
    )


def segments(encoded: bytes) -> Iterator[Segment]:
    """Yield the segments up to and including the header of the first scan. Raises FrameRejected."""
    at = 2
    seen: set[int] = set()
    for count in itertools.count(1):
        check_part_count("JPEG", count)
        segment = _next_segment(encoded, at)
        seen.add(segment.marker)
        if segment.marker == _END:
            raise _without_image(seen)
        yield segment
        if segment.marker == START_OF_SCAN:
            return
        at = segment.at + segment.size


def _without_image(seen: set[int]) -> FrameRejected:
    """Return the reject for a file that ends before its first scan. seen: its markers."""
    if seen & _TABLES and not seen & {*SEQUENTIAL, _PROGRESSIVE}:  # T.81, B.5: tables for images sent without tables
        return FrameRejected(RejectReason.UNSUPPORTED_FORMAT, "JPEG files with only tables are not supported")
    return FrameRejected(RejectReason.DAMAGED, "a JPEG file without a scan")


def _find_scans(encoded: bytes, at: int) -> list[int]:
    """Return the offsets of FF DA from `at` on. numpy is ten times faster than bytes.find, which holds the GIL."""
    content = np.frombuffer(encoded, np.uint8, offset=at)
    starts = np.flatnonzero((content[:-1] == 0xFF) & (content[1:] == START_OF_SCAN))
    return [int(start) + at for start in starts[: _SCANS_MAX + 1]]


def _next_segment(encoded: bytes, at: int) -> Segment:
    if fill := _FILL_BYTES.match(encoded, at):  # a loop over millions of fill bytes would take seconds
        at = fill.end()
    if at == 0 or at >= len(encoded):
        raise truncated("JPEG", encoded)
    if encoded[at - 1] != 0xFF:
        raise FrameRejected(RejectReason.DAMAGED, f"no JPEG marker at byte {at}")
    marker = encoded[at]
    if marker in _WITHOUT_LENGTH:
        return Segment(marker, at + 1, 0)
    size = int.from_bytes(encoded[at + 1 : at + 3], "big") - 2
    if at + 3 > len(encoded) or at + 3 + size > len(encoded):
        raise truncated("JPEG", encoded)
    if size < 0:
        raise FrameRejected(RejectReason.DAMAGED, f"a JPEG segment of negative size at byte {at}")
    return Segment(marker, at + 3, size)


def _read_start_of_frame(body: bytes) -> ImageHeader:
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        raise FrameRejected(RejectReason.DAMAGED, f"a JPEG frame header with only {len(body)} bytes")
    header = ImageHeader(
        format="jpeg",
        height_px=int.from_bytes(body[1:3], "big"),
        width_px=int.from_bytes(body[3:5], "big"),
        channels=body[5],
        bits=body[0],
    )
    if header.height_px == 0:
        raise FrameRejected(RejectReason.UNSUPPORTED_FORMAT, "a JPEG file that states its height after its first scan")
    if header.channels == 3:
        _check_sampling([divmod(body[at], 16) for at in (7, 10, 13)])
    return header


def _check_sampling(factors: list[tuple[int, int]]) -> None:
    """Raise FrameRejected for sampling factors that libjpeg-turbo does not support."""
    luma, chroma = factors[0], factors[1]
    if chroma == factors[2] and (
        (chroma == (1, 1) and luma in _LUMA_SAMPLING)
        or (luma == (2, 2) and chroma in _CHROMA_SAMPLING)
        or (luma == chroma and luma[0] * luma[1] <= _EQUAL_SAMPLING_MAX)
    ):
        return
    shown = ", ".join(f"{horizontal}x{vertical}" for horizontal, vertical in factors)
    raise FrameRejected(RejectReason.UNSUPPORTED_COLOUR, f"a JPEG file whose components are sampled {shown}")
