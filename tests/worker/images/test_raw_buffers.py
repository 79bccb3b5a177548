"""Raw buffers are decoded to the samples of the camera, or rejected with the name of the wrong header."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.images.decode import decode, read_samples
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec, Levels
from stripwatch.worker.images.lossless_png import raw_to_png
from stripwatch.worker.images.raw_header import PIXEL_FORMATS
from tests.raw_frames import pack

LIMITS = DecodeLimits()
GREY = [name for name, known in PIXEL_FORMATS.items() if not known.colours]
BAYER = [name for name in PIXEL_FORMATS if name.startswith("Bayer")]
GREY_SPEC = DecodeSpec(16, 24, "grey")


def samples(name: str, height: int = 16, width: int = 24, seed: int = 0) -> NDArray[Any]:
    shape = (height, width, 3) if name in ("RGB8", "BGR8") else (height, width)
    return np.random.default_rng(seed).integers(0, 2 ** PIXEL_FORMATS[name].bits, shape)


@pytest.mark.parametrize("padding", [0, 1, 7])
@pytest.mark.parametrize("width", [24, 25, 27, 8])
@pytest.mark.parametrize("name", GREY)
def test_grey_samples_are_those_of_the_camera(name: str, width: int, padding: int) -> None:
    expected = samples(name, width=width)
    read = read_samples(*pack(expected, name, padding))
    assert np.array_equal(read.values, expected)
    assert read.bits == (PIXEL_FORMATS[name].bits if PIXEL_FORMATS[name].bits > 8 else None)


def test_unpacks_the_byte_layouts_of_the_standards() -> None:
    """A handmade row of 8 pixels, repeated 8 times because a side needs at least 8 pixels."""
    rows = {
        "Mono12p": (bytes([0x34, 0x52, 0xF1] * 4), [0x234, 0xF15]),
        "Mono12Packed": (bytes([0x12, 0x93, 0xAB] * 4), [0x123, 0xAB9]),
        "Mono10Packed": (bytes([0xFF, 0x12, 0x01] * 4), [0x3FE, 0x005]),
        "Mono10p": (bytes([0x01, 0x08, 0x30, 0x00, 0x01] * 2), [0x001, 0x002, 0x003, 0x004]),
        "Mono10": (bytes([0xFF, 0x03, 0x01, 0x00] * 4), [0x3FF, 0x001]),
    }
    for name, (row, pixels) in rows.items():
        read = read_samples(row * 8, RawLayout(name, 8, 8))
        assert read.values[5, : len(pixels)].tolist() == pixels, name


@pytest.mark.parametrize("name", BAYER)
def test_bayer_formats_show_the_colours_of_the_camera(name: str) -> None:
    """In a scene with a single colour, the value behind each filter is known."""
    scene = dict(zip("RGB", (200, 100, 50), strict=True))
    mosaic = np.zeros((16, 24), np.uint8)
    for at, colour in enumerate(PIXEL_FORMATS[name].colours):
        mosaic[at // 2 :: 2, at % 2 :: 2] = scene[colour]
    assert name[5] == PIXEL_FORMATS[name].colours[0], "the name is the first two pixels"
    pixels = decode(mosaic.tobytes(), DecodeSpec(16, 24), LIMITS, RawLayout(name, 24, 16)).pixels
    assert (pixels == [200, 100, 50]).all()


@pytest.mark.parametrize("name", ["RGB8", "BGR8"])
@pytest.mark.parametrize("padding", [0, 5])
def test_decodes_colour_as_rgb(name: str, padding: int) -> None:
    expected = samples(name)
    buffer, layout = pack(expected, name, padding)
    rgb = expected if name == "RGB8" else expected[..., ::-1]
    assert np.array_equal(decode(buffer, DecodeSpec(16, 24), LIMITS, layout).pixels, rgb)


@pytest.mark.parametrize("name", GREY)
def test_takes_the_depth_from_the_format_name_without_a_flag(name: str) -> None:
    values = np.full((16, 24), 2 ** PIXEL_FORMATS[name].bits // 4)
    buffer, layout = pack(values, name)
    image = decode(buffer, DecodeSpec(16, 24, "grey", bit_depth=16 if name == "Mono16" else 11), LIMITS, layout)
    assert (image.flags, set(image.pixels.ravel().tolist())) == ((), {64})


def test_flags_a_value_above_the_depth() -> None:
    buffer, layout = pack(np.full((16, 24), 4096), "Mono12")
    image = decode(buffer, GREY_SPEC, LIMITS, layout)
    assert (image.flags, int(image.pixels.max())) == ((FrameFlag.BIT_DEPTH,), 255)


def test_flags_12_bit_samples_in_a_16_bit_format() -> None:
    """A camera set to Mono16 that digitises 12 bits would give black frames."""
    buffer, layout = pack(np.full((16, 24), 4095), "Mono16")
    for spec in (GREY_SPEC, DecodeSpec(16, 24, "grey", bit_depth=12)):
        assert decode(buffer, spec, LIMITS, layout).flags == (FrameFlag.BIT_DEPTH,)
    assert decode(buffer, DecodeSpec(16, 24, "grey", bit_depth=16), LIMITS, layout).flags == ()


@pytest.mark.parametrize("name", ["Mono8", "RGB8", "BayerRG8"])
def test_flags_an_8_bit_format_if_the_model_has_levels(name: str) -> None:
    buffer, layout = pack(samples(name), name)
    assert decode(buffer, DecodeSpec(16, 24), LIMITS, layout).flags == ()
    spec = DecodeSpec(16, 24, levels=Levels(0.1, 0.8))
    assert decode(buffer, spec, LIMITS, layout).flags == (FrameFlag.BIT_DEPTH,)


@pytest.mark.parametrize("padding", [1, 2, 7])
@pytest.mark.parametrize("width", [24, 25, 27])
@pytest.mark.parametrize("name", PIXEL_FORMATS)
def test_the_last_row_may_lack_its_padding(name: str, width: int, padding: int) -> None:
    buffer, layout = pack(samples(name, width=width), name, padding)
    expected = read_samples(buffer, layout).values
    assert np.array_equal(read_samples(buffer[:-padding], layout).values, expected)
    for missing in range(1, padding):
        with pytest.raises(FrameRejected) as caught:
            read_samples(buffer[:-missing], layout)
        assert caught.value.reason == RejectReason.TRUNCATED
    with pytest.raises(FrameRejected) as caught:
        read_samples(buffer[: -padding - 1], layout)
    assert caught.value.reason == RejectReason.TRUNCATED


@pytest.mark.parametrize("name", ["Mono10", "Mono12", "Mono14"])
def test_stores_a_dark_frame_without_a_flag(name: str) -> None:
    """Its samples are too small for scaling to set their low bits."""
    buffer, layout = pack(np.full((16, 24), 2 ** (PIXEL_FORMATS[name].bits - 5) + 3), name)
    stored = decode(raw_to_png(buffer, layout, LIMITS), GREY_SPEC)
    assert stored.flags == decode(buffer, GREY_SPEC, LIMITS, layout).flags == ()
    assert np.array_equal(stored.pixels, decode(buffer, GREY_SPEC, LIMITS, layout).pixels)


def test_applies_the_levels_of_the_spec() -> None:
    buffer, layout = pack(np.full((16, 24), 2048), "Mono12p")
    spec = DecodeSpec(16, 24, "grey", levels=Levels(0.25, 0.75))
    assert set(decode(buffer, spec, LIMITS, layout).pixels.ravel().tolist()) == {128}


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(PIXEL_FORMATS)),
    st.integers(8, 21),
    st.integers(8, 21),
    st.integers(0, 3),
    st.sampled_from(["grey", "rgb"]),
    st.sampled_from([None, Levels(0.1, 0.8)]),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_a_stored_png_decodes_to_the_same_pixels(
    name: str, height: int, width: int, padding: int, colour: Any, levels: Levels | None, resized: bool, seed: int
) -> None:
    buffer, layout = pack(samples(name, height, width, seed), name, padding)
    png = raw_to_png(buffer, layout, LIMITS)
    spec = DecodeSpec(9 if resized else height, 14 if resized else width, colour, bit_depth=9, levels=levels)
    raw, stored = decode(buffer, spec, LIMITS, layout), decode(png, spec)
    assert np.array_equal(raw.pixels, stored.pixels)
    assert (raw.width_px, raw.height_px, raw.flags) == (stored.width_px, stored.height_px, stored.flags)


def test_every_colour_becomes_the_grey_of_its_png() -> None:
    steps = np.arange(0, 256, 5, dtype=np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(52, -1, 3)
    layout = RawLayout("RGB8", colours.shape[1], 52)
    spec = DecodeSpec(52, colours.shape[1], "grey")
    png = cv2.imencode(".png", colours[..., ::-1])[1].tobytes()
    assert np.array_equal(decode(colours.tobytes(), spec, LIMITS, layout).pixels, decode(png, spec).pixels)


def test_a_value_over_the_depth_is_stored_as_the_largest() -> None:
    buffer, layout = pack(np.arange(16 * 24).reshape(16, 24) * 20, "Mono12")
    stored = decode(raw_to_png(buffer, layout, LIMITS), GREY_SPEC)
    assert np.array_equal(stored.pixels, decode(buffer, GREY_SPEC, LIMITS, layout).pixels)


BUFFER, LAYOUT = pack(samples("Mono12p"), "Mono12p")


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"width_px": None}, RejectReason.UNDECODABLE, ["ce_widthpx", "missing"]),
        ({"height_px": None}, RejectReason.UNDECODABLE, ["ce_heightpx", "missing"]),
        ({"width_px": 0}, RejectReason.UNDECODABLE, ["ce_widthpx is 0"]),
        ({"height_px": -16}, RejectReason.UNDECODABLE, ["ce_heightpx is -16"]),
        ({"width_px": 2**40}, RejectReason.UNDECODABLE, ["ce_widthpx is 1099511627776"]),
        ({"width_px": 100_000}, RejectReason.TRUNCATED, ["576 bytes", "16 rows", "150000", "missing"]),
        ({"width_px": 20_000, "height_px": 20_000}, RejectReason.TOO_MANY_PIXELS, ["ce_widthpx, ce_heightpx"]),
        ({"width_px": 7}, RejectReason.TOO_SMALL, ["7x16"]),
        ({"width_px": 25}, RejectReason.UNDECODABLE, ["25 pixels", "within a byte", "ce_stridebytes", "multiple of 2"]),
        ({"stride_bytes": 0}, RejectReason.UNDECODABLE, ["ce_stridebytes", "whole number"]),
        ({"stride_bytes": 35}, RejectReason.UNDECODABLE, ["ce_stridebytes is 35", "24 pixels", "36 bytes"]),
        ({"stride_bytes": 40}, RejectReason.TRUNCATED, ["576 bytes", "16 rows", "are 640", "64 are missing"]),
        ({"height_px": 15}, RejectReason.UNDECODABLE, ["576 bytes", "are 540", "36 too many", "chunk data"]),
        ({"pixel_format": "mono12p"}, RejectReason.UNSUPPORTED_FORMAT, ["did you mean Mono12p?", "BayerRG8"]),
        ({"pixel_format": "Mono12pp"}, RejectReason.UNSUPPORTED_FORMAT, ["did you mean Mono12p?"]),
        ({"pixel_format": "YUV422_8"}, RejectReason.UNSUPPORTED_FORMAT, ["'YUV422_8'", "Mono8, Mono10"]),
        ({"pixel_format": ""}, RejectReason.UNSUPPORTED_FORMAT, ["ce_pixelformat cannot be read"]),
    ],
)
def test_rejects_an_invalid_layout_and_names_the_header(
    change: dict[str, Any], reason: RejectReason, words: list[str]
) -> None:
    with pytest.raises(FrameRejected) as caught:
        decode(BUFFER, GREY_SPEC, LIMITS, replace(LAYOUT, **change))
    assert caught.value.reason == reason
    assert not [word for word in words if word not in caught.value.detail], caught.value.detail


def test_checks_the_limits_before_allocating() -> None:
    with pytest.raises(FrameRejected) as caught:
        decode(BUFFER, GREY_SPEC, DecodeLimits(bytes_max=575), LAYOUT)
    assert caught.value.reason == RejectReason.TOO_MANY_BYTES
    with pytest.raises(FrameRejected) as caught:
        decode(b"", GREY_SPEC, LIMITS, LAYOUT)
    assert caught.value.reason == RejectReason.EMPTY


def test_names_the_missing_pixel_format_header_of_a_raw_buffer() -> None:
    with pytest.raises(FrameRejected, match="ce_pixelformat"):
        decode(BUFFER, GREY_SPEC)


def test_a_plain_buffer_is_not_copied() -> None:
    for name in ("Mono8", "Mono12", "RGB8"):
        buffer, layout = pack(samples(name), name)
        assert np.shares_memory(read_samples(buffer, layout).values, np.frombuffer(buffer, np.uint8))
