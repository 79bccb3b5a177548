"""JPEG decoding: intact files give the pixels of OpenCV, and damaged files are rejected."""

from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec, Pixels
from stripwatch.worker.images.headers.reader import read_header
from stripwatch.worker.images.jpeg_decoder import decode_jpeg
from tests.jpeg_files import DAMAGES, HARMLESS, KINDS, encode, revised, scan_ends, segment, texture

_OPENCV = {
    ("rgb", 1): cv2.IMREAD_COLOR,
    ("rgb", 2): cv2.IMREAD_REDUCED_COLOR_2,
    ("rgb", 4): cv2.IMREAD_REDUCED_COLOR_4,
    ("rgb", 8): cv2.IMREAD_REDUCED_COLOR_8,
    ("grey", 1): cv2.IMREAD_GRAYSCALE,
    ("grey", 2): cv2.IMREAD_REDUCED_GRAYSCALE_2,
    ("grey", 4): cv2.IMREAD_REDUCED_GRAYSCALE_4,
    ("grey", 8): cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


def opencv_pixels(encoded: bytes, colour: str, scale: int = 1) -> Pixels:
    """Decode with OpenCV, as earlier versions did for frames and the golden frames of bundles."""
    flags = _OPENCV[colour, scale] | cv2.IMREAD_IGNORE_ORIENTATION
    decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
    assert decoded is not None
    return np.asarray(decoded if colour == "grey" else decoded[..., ::-1], np.uint8)


def pixels_of(encoded: bytes, colour: str = "rgb", scale: int = 1) -> Any:
    return decode_jpeg(encoded, read_header(encoded), colour, scale).values


def reject_of(encoded: bytes) -> FrameRejected:
    header = read_header(encoded)
    with pytest.raises(FrameRejected) as caught:
        decode(encoded, DecodeSpec(header.height_px, header.width_px))
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("oddity", HARMLESS)
def test_an_intact_file_gives_the_pixels_of_opencv(oddity: str, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    for in_colour, colour, scale in product((True, False), ("rgb", "grey"), (1, 2, 4, 8)):
        plain = KINDS[kind](texture(colour=in_colour))
        pixels = pixels_of(HARMLESS[oddity](plain), colour, scale)
        assert np.array_equal(pixels, opencv_pixels(plain, colour, scale))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("oddity", HARMLESS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_rejected(damage: str, oddity: str, capfd: pytest.CaptureFixture[str]) -> None:
    for kind, in_colour in product(KINDS, (True, False)):
        plain, following = (KINDS[kind](texture(seed, colour=in_colour)) for seed in (0, 1))
        error = reject_of(HARMLESS[oddity](DAMAGES[damage](plain, following)))
        assert error.reason == RejectReason.DAMAGED
        assert error.detail.startswith(("libjpeg: ", "the scans do not cover"))
        assert "revision" not in error.detail
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", ["baseline", "progressive", "restart markers"])
def test_rejects_a_file_cut_anywhere(kind: str) -> None:
    encoded = revised(KINDS[kind](texture(size=(32, 48))))
    start = encoded.index(b"\xff\xda") + 14
    for cut in range(start, len(encoded) - 2):
        for end in (b"\xff\xd9", b"\xff\xd9" + encoded, encoded):
            assert reject_of(encoded[:cut] + end).reason == RejectReason.DAMAGED, cut


def test_a_file_that_ends_between_two_scans_is_damaged() -> None:
    encoded = KINDS["progressive"](texture())
    ends = scan_ends(encoded)
    assert len(ends) > 5
    for end in ends:
        cut = encoded[:end] + b"\xff\xd9"
        assert reject_of(cut).detail == "the scans do not cover the whole image"
        assert decode(revised(cut), DecodeSpec(16, 24), DecodeLimits(flags_damaged=True)).flags == (FrameFlag.DAMAGED,)


def test_rejects_a_component_without_a_scan() -> None:
    grey, in_colour = encode(texture(colour=False)), KINDS["4:4:4"](texture())
    scan = in_colour.index(b"\xff\xda")
    only_first = segment(0xDA, b"\1\1\0\0\x3f\0") + grey[grey.index(b"\xff\xda") + 10 :]
    assert reject_of(in_colour[:scan] + only_first).detail == "the scans do not cover the whole image"


def test_the_detail_quotes_libjpeg() -> None:
    damaged = DAMAGES["cut, with an end marker"](encode(texture()), b"")
    assert reject_of(damaged).detail == "libjpeg: Corrupt JPEG data: premature end of data segment"
    assert reject_of(revised(damaged)).detail == reject_of(damaged).detail


@given(
    st.integers(0, 1000),
    st.tuples(st.integers(1, 70), st.integers(8, 70), st.booleans()),
    st.booleans(),
    st.sampled_from(list(KINDS)),
    st.sampled_from(["rgb", "grey"]),
    st.sampled_from([1, 2, 4, 8]),
)
@settings(max_examples=300, deadline=None)
def test_every_size_and_scale_gives_the_pixels_of_opencv(
    seed: int, size: tuple[int, int, bool], in_colour: bool, kind: str, colour: str, scale: int
) -> None:
    shape = (size[0], size[1]) if size[2] else (size[1], size[0])
    encoded = KINDS[kind](texture(seed, shape, in_colour))
    assert np.array_equal(pixels_of(encoded, colour, scale), opencv_pixels(encoded, colour, scale))


def test_real_photographs_give_the_pixels_of_opencv(shared: Path) -> None:
    files = sorted((shared / "data").rglob("*.jpg"))
    assert len(files) > 1000
    for path in files:
        encoded = path.read_bytes()
        for colour in ("rgb", "grey"):
            assert np.array_equal(pixels_of(encoded, colour), opencv_pixels(encoded, colour)), path
        for scale in (2, 4, 8):
            assert np.array_equal(pixels_of(encoded, "rgb", scale), opencv_pixels(encoded, "rgb", scale)), path


@pytest.mark.parametrize("damage", DAMAGES)
def test_flags_a_damaged_file_if_configured(damage: str, capfd: pytest.CaptureFixture[str]) -> None:
    for kind, in_colour in product(KINDS, (True, False)):
        plain, following = (KINDS[kind](texture(seed, colour=in_colour)) for seed in (0, 1))
        damaged = revised(DAMAGES[damage](plain, following))
        samples = decode_jpeg(damaged, read_header(damaged), "rgb", 1, flags_damaged=True)
        assert samples.flags == (FrameFlag.DAMAGED,)
        if kind != "progressive":  # where the cut scan affects the whole image
            assert np.array_equal(samples.values[:16], opencv_pixels(plain, "rgb")[:16])
    assert capfd.readouterr().err == ""


def test_rejects_an_undecodable_file_even_if_damage_is_flagged() -> None:
    encoded = encode(texture())
    at = encoded.index(b"\xff\xc4")
    broken = encoded[: at + 5] + b"\xff" * 16 + encoded[at + 21 :]  # an invalid Huffman table
    with pytest.raises(FrameRejected) as caught:
        decode(broken, DecodeSpec(16, 24), DecodeLimits(flags_damaged=True))
    assert caught.value.reason == RejectReason.DAMAGED
    assert caught.value.detail == "libjpeg cannot read the header"


def test_does_not_flag_an_intact_file() -> None:
    for name, oddity in HARMLESS.items():
        flags = decode(oddity(encode(texture())), DecodeSpec(16, 24), DecodeLimits(flags_damaged=True)).flags
        assert flags == ((FrameFlag.SECOND_IMAGE,) if name == "a file after the end" else ()), name


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_progressive_file_is_flagged(kind: str) -> None:
    flags = decode(KINDS[kind](texture()), DecodeSpec(16, 24), DecodeLimits(progressive="flag")).flags
    assert flags == ((FrameFlag.PROGRESSIVE,) if kind == "progressive" else ())


def test_flags_a_progressive_file_with_restart_markers() -> None:
    encoded = encode(texture(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 8)
    assert decode(encoded, DecodeSpec(16, 24), DecodeLimits(progressive="flag")).flags == (FrameFlag.PROGRESSIVE,)


def test_accepts_or_rejects_progressive_files_as_configured() -> None:
    encoded = KINDS["progressive"](texture())
    assert decode(encoded, DecodeSpec(16, 24)).flags == ()
    with pytest.raises(FrameRejected, match=r"frames\.progressive") as caught:
        decode(encoded, DecodeSpec(16, 24), DecodeLimits(progressive="reject"))
    assert caught.value.reason == RejectReason.UNSUPPORTED_FORMAT


def test_a_damaged_progressive_file_has_both_flags() -> None:
    cut = DAMAGES["cut, with an end marker"](KINDS["progressive"](texture()), b"")
    limits = DecodeLimits(flags_damaged=True, progressive="flag")
    assert decode(cut, DecodeSpec(16, 24), limits).flags == (FrameFlag.DAMAGED, FrameFlag.PROGRESSIVE)
