"""PNG headers: the declared depth, and the required structure."""

import struct
from typing import Any

import numpy as np
import pytest

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.headers.png import read_png_header
from tests.image_files import png_chunk, png_file, png_with_chunk

DEEP = np.full((8, 8, 1), 4095 << 4)
GREY = png_file(DEEP, 16, 0)
COLOUR = png_file(np.repeat(DEEP, 3, axis=2), 16, 2)
ALPHA = png_file(np.repeat(DEEP, 4, axis=2), 16, 6)


@pytest.mark.parametrize(
    ("encoded", "declared", "bits"),
    [
        (GREY, b"\x0c", 12),
        (GREY, b"\x10", 16),
        (GREY, b"\x01", 1),
        (COLOUR, b"\x0a\x0a\x0a", 10),
        (ALPHA, b"\x0c\x0c\x0c\x08", 12),
        (png_file(np.repeat(DEEP, 2, axis=2), 16, 4), b"\x0e\x01", 14),
    ],
)
def test_significant_bits_are_read(encoded: bytes, declared: bytes, bits: int) -> None:
    header = read_png_header(png_with_chunk(encoded, b"sBIT", declared))
    assert (header.significant_bits, header.in_upper_bits) == (bits, True)
    assert read_png_header(encoded).significant_bits is None


def test_significant_bits_of_8_bits_change_nothing() -> None:
    header = read_png_header(png_with_chunk(png_file(DEEP >> 8, 8, 0), b"sBIT", b"\x04"))
    assert header.significant_bits is None


@pytest.mark.parametrize(
    ("encoded", "declared", "reason"),
    [
        (GREY, b"\x00", RejectReason.DAMAGED),
        (GREY, b"\x11", RejectReason.DAMAGED),
        (GREY, b"", RejectReason.DAMAGED),
        (COLOUR, b"\x0c", RejectReason.DAMAGED),
        (COLOUR, b"\x0c\x0c\x0a", RejectReason.UNSUPPORTED_COLOUR),
    ],
)
def test_rejects_invalid_significant_bits(encoded: bytes, declared: bytes, reason: Any) -> None:
    with pytest.raises(FrameRejected) as caught:
        read_png_header(png_with_chunk(encoded, b"sBIT", declared))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("bits", "colour_type", "at_12", "reason"),
    [
        (3, 0, b"\0\0\0", RejectReason.DAMAGED),
        (16, 3, b"\0\0\0", RejectReason.DAMAGED),
        (8, 1, b"\0\0\0", RejectReason.DAMAGED),
        (8, 0, b"\1\0\0", RejectReason.DAMAGED),
        (8, 0, b"\0\1\0", RejectReason.DAMAGED),
        (8, 0, b"\0\0\2", RejectReason.DAMAGED),
        (8, 3, b"\0\0\0", RejectReason.DAMAGED),  # a palette is missing
    ],
)
def test_rejects_an_invalid_header_chunk(bits: int, colour_type: int, at_12: bytes, reason: Any) -> None:
    header = struct.pack(">IIBB", 8, 8, bits, colour_type) + at_12
    empty = png_file(DEEP >> 8, 8, 0)
    with pytest.raises(FrameRejected) as caught:
        read_png_header(empty[:8] + png_chunk(b"IHDR", header) + empty[33:])
    assert caught.value.reason == reason


def test_rejects_the_cgbi_variant_of_apple() -> None:
    encoded = GREY[:8] + png_chunk(b"CgBI", bytes(4)) + GREY[8:]
    with pytest.raises(FrameRejected, match="CgBI") as caught:
        read_png_header(encoded)
    assert caught.value.reason == RejectReason.UNSUPPORTED_FORMAT


def test_rejects_an_animation() -> None:
    with pytest.raises(FrameRejected, match="animated PNG files are not supported") as caught:
        read_png_header(png_with_chunk(GREY, b"acTL", bytes(8)))
    assert caught.value.reason == RejectReason.UNSUPPORTED_FORMAT
