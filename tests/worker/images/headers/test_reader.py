"""Headers agree with the images that OpenCV decodes."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.headers.reader import read_header
from tests.badframes import GOOD_FRAMES
from tests.image_files import bmp_file, png_chunk, tiff_file
from tests.jpeg_files import insert, segment
from tests.tiny import encode_frame


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 3]), st.sampled_from([".jpg", ".png"]))
def test_reads_size_and_channels(height: int, width: int, channels: int, suffix: str) -> None:
    encoded = cv2.imencode(suffix, np.zeros((height, width, channels), np.uint8))[1].tobytes()
    header = read_header(encoded)
    assert (header.height_px, header.width_px, header.channels, header.bits) == (height, width, channels, 8)


def test_reads_depth_and_alpha() -> None:
    assert read_header(GOOD_FRAMES["16-bit PNG"]).bits == 16
    assert read_header(GOOD_FRAMES["PNG with alpha"]).channels == 4
    assert read_header(GOOD_FRAMES["progressive JPEG"]).format == "jpeg"


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_rejects_a_file_cut_anywhere(suffix: str) -> None:
    encoded = encode_frame(0.5, suffix=suffix)
    for size in range(9, len(encoded)):
        with pytest.raises(FrameRejected) as caught:
            read_header(encoded[:size])
        assert caught.value.reason == RejectReason.TRUNCATED


def test_does_not_take_the_end_of_a_thumbnail_for_the_end_of_the_file() -> None:
    plain, thumbnail = encode_frame(0.5, suffix=".jpg"), encode_frame(0.2, (8, 8), ".jpg")
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = plain[:2] + segment + plain[2:]
    assert read_header(whole).width_px == 48
    with pytest.raises(FrameRejected) as caught:
        read_header(whole[:-10])
    assert caught.value.reason == RejectReason.TRUNCATED


def originals() -> list[bytes]:
    rows = np.arange(32 * 48, dtype=np.uint16).reshape(32, 48)
    options = [cv2.IMWRITE_TIFF_ROWSPERSTRIP, 5]
    return [
        *GOOD_FRAMES.values(),
        tiff_file(rows, 16, big_endian=True),
        cv2.imencode(".tif", rows, options)[1].tobytes(),
        bmp_file(rows.astype(np.uint8), bytes(range(256)) * 4),
    ]


@pytest.mark.parametrize("padding", [b"", bytes(1), bytes(4096)])
def test_detects_a_second_image(padding: bytes) -> None:
    for encoded in originals():
        assert not read_header(encoded).second_image
        assert not read_header(encoded + padding).second_image
        assert not read_header(encoded + padding + b"coil C4711" + encoded).second_image
        assert read_header(encoded + padding + encoded).second_image


def test_the_preview_of_a_multi_picture_file_is_not_a_second_image() -> None:
    plain = GOOD_FRAMES["grey JPEG"]
    assert not read_header(insert(plain, segment(0xE2, b"MPF\0II*\0")) + plain).second_image


_COUNT = 70_000
_CHUNK = b"XXXX" + bytes(4)


@pytest.mark.parametrize(
    "encoded",
    [
        encode_frame(0.5, suffix=".jpg")[:2] + b"\xff\xe1\x00\x02" * _COUNT + encode_frame(0.5, suffix=".jpg")[2:],
        encode_frame(0.5, suffix=".png")[:33]
        + png_chunk(b"tEXt", b"") * _COUNT
        + encode_frame(0.5, suffix=".png")[33:],
        b"RIFF" + (4 + 8 * _COUNT).to_bytes(4, "little") + b"WEBP" + _CHUNK * _COUNT,
    ],
    ids=["JPEG", "PNG", "WebP"],
)
def test_rejects_a_file_with_too_many_parts(encoded: bytes) -> None:
    """Reading millions of parts took 16 s and more than 1 GB."""
    with pytest.raises(FrameRejected, match="parts") as caught:
        read_header(encoded)
    assert caught.value.reason == RejectReason.UNDECODABLE
