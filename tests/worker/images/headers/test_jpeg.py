"""JPEG headers: unsupported kinds are named in the reject, and malformed files are rejected as damaged."""

from itertools import product

import pytest
import simplejpeg

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.headers.jpeg import read_jpeg_header
from tests.jpeg_files import encode, insert, segment, texture

PLAIN = encode(texture())
FRAME_AT = PLAIN.index(b"\xff\xc0")


def with_marker(marker: int) -> bytes:
    return PLAIN[: FRAME_AT + 1] + bytes([marker]) + PLAIN[FRAME_AT + 2 :]


def with_sampling(*factors: int) -> bytes:
    changed = bytearray(PLAIN)
    for component, factor in enumerate(factors):
        changed[FRAME_AT + 11 + 3 * component] = factor
    return bytes(changed)


def decoder_knows_sampling(encoded: bytes) -> bool:
    try:
        simplejpeg.decode_jpeg_header(encoded)
    except ValueError:
        return False
    except KeyError:  # 4:4:1, for which simplejpeg has no name
        return True
    return True


def reject_of(encoded: bytes) -> FrameRejected:
    with pytest.raises(FrameRejected) as caught:
        read_jpeg_header(encoded)
    return caught.value


@pytest.mark.parametrize(
    ("marker", "name"),
    [
        (0xC3, "lossless JPEG"),
        (0xC5, "hierarchical JPEG"),
        (0xC9, "arithmetic-coded JPEG"),
        (0xCA, "arithmetic-coded JPEG"),
        (0xCB, "lossless JPEG"),
        (0xF7, "JPEG-LS"),
    ],
)
def test_rejects_unsupported_kinds_of_jpeg(marker: int, name: str) -> None:
    error = reject_of(with_marker(marker))
    assert (error.reason, error.detail) == (RejectReason.UNSUPPORTED_FORMAT, f"{name} files are not supported")


def test_jpeg_ls_is_recognised_by_its_frame_header() -> None:
    encoded = b"\xff\xd8" + segment(0xF7, b"\x08\x00\x20\x00\x30\x01\x01\x11\x00") + segment(0xDA, b"\1\1\0\0\0\0")
    assert reject_of(encoded + b"data\xff\xd9").reason == RejectReason.UNSUPPORTED_FORMAT


def test_rejects_a_height_stated_after_the_scan() -> None:
    encoded = PLAIN[: FRAME_AT + 5] + b"\0\0" + PLAIN[FRAME_AT + 7 :]
    assert reject_of(encoded).reason == RejectReason.UNSUPPORTED_FORMAT


def test_rejects_exactly_the_samplings_that_the_decoder_does_not_support() -> None:
    factors = [16 * horizontal + vertical for horizontal, vertical in product((1, 2, 3, 4), repeat=2)]
    refused = 0
    for luma, first, second in product(factors, repeat=3):
        encoded = with_sampling(luma, first, second)
        known = decoder_knows_sampling(encoded)
        refused += not known
        if known:
            assert read_jpeg_header(encoded).channels == 3
        else:
            assert reject_of(encoded).reason == RejectReason.UNSUPPORTED_COLOUR
    assert 4000 < refused < 4096


def test_rejects_tables_without_an_image() -> None:
    """T.81, B.5: an abbreviated file holds the tables for images that are sent without them."""
    tables = PLAIN[:2] + PLAIN[PLAIN.index(b"\xff\xdb") : FRAME_AT] + b"\xff\xd9"
    error = reject_of(tables)
    assert (error.reason, error.detail) == (
        RejectReason.UNSUPPORTED_FORMAT,
        "JPEG files with only tables are not supported",
    )


def test_rejects_an_end_before_the_first_scan() -> None:
    scan_at = PLAIN.index(b"\xff\xda")
    for encoded in (
        b"\xff\xd8\xff\xd9",
        PLAIN[:scan_at] + b"\xff\xd9",
        PLAIN[:scan_at] + b"\xff\xd9" + PLAIN[scan_at:],
    ):
        error = reject_of(encoded)
        assert (error.reason, error.detail) == (RejectReason.DAMAGED, "a JPEG file without a scan")


def test_rejects_a_malformed_header() -> None:
    scan_at = PLAIN.index(b"\xff\xda")
    without_frame = PLAIN[:FRAME_AT] + PLAIN[FRAME_AT + 19 :]
    for encoded in (
        PLAIN[:scan_at] + b"\0\1\2" + PLAIN[scan_at:],
        insert(PLAIN, b"\xff\xe1\x00\x00"),
        PLAIN[:FRAME_AT] + segment(0xC0, b"\x08\x00\x10\x00\x10\x03") + PLAIN[FRAME_AT + 19 :],
        insert(PLAIN, PLAIN[FRAME_AT : FRAME_AT + 19]),
        without_frame,
    ):
        assert reject_of(encoded).reason == RejectReason.DAMAGED
