"""Decoding shared by training and the worker: correct pixels, or a reject with its reason."""

from contextlib import suppress
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec
from tests.badframes import BAD_FRAMES, GOOD_FRAMES
from tests.tiny import SPEC, encode_frame

COLOURS = np.zeros((32, 48, 3), np.uint8)
COLOURS[..., 0], COLOURS[..., 1], COLOURS[..., 2] = 200, 100, 50


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_rejects_a_bad_frame_with_its_reason(name: str) -> None:
    value, reason = BAD_FRAMES[name]
    with pytest.raises(FrameRejected) as caught:
        decode(value or b"", SPEC)
    assert caught.value.reason == reason
    assert caught.value.detail


@pytest.mark.parametrize("name", GOOD_FRAMES)
def test_decodes_unusual_but_intact_frames(name: str) -> None:
    image = decode(GOOD_FRAMES[name], SPEC)
    assert image.pixels.shape == SPEC.shape
    assert image.pixels.dtype == np.uint8
    assert (image.width_px, image.height_px) == (48, 32)
    assert np.abs(image.pixels.astype(int) - 128).max() <= 1


@pytest.mark.parametrize("jpeg_scale", [1, 2, 4, 8])
def test_decodes_colours_as_rgb_at_every_scale(jpeg_scale: int) -> None:
    encoded = cv2.imencode(".jpg", COLOURS[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    spec = DecodeSpec(8, 8, jpeg_scale=jpeg_scale)  # type: ignore[arg-type]
    assert np.abs(decode(encoded, spec).pixels.reshape(-1, 3).mean(0) - [200, 100, 50]).max() < 3


def test_grey_is_one_channel() -> None:
    spec = DecodeSpec(32, 48, colour="grey")
    encoded = cv2.imencode(".png", COLOURS[..., ::-1])[1].tobytes()
    expected = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)  # ITU-R BT.601
    assert decode(encoded, spec).pixels.shape == (32, 48, 1)
    assert np.abs(decode(encoded, spec).pixels.astype(int) - expected).max() <= 1


def test_does_not_change_pixels_if_the_size_matches() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, SPEC.shape, np.uint8)
    encoded = cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
    assert np.array_equal(decode(encoded, SPEC).pixels, pixels)


def test_area_interpolation_averages_shrunk_frames() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48), np.uint8)
    encoded = cv2.imencode(".png", pixels)[1].tobytes()
    means = pixels.reshape(16, 2, 24, 2).mean(axis=(1, 3))
    assert np.abs(decode(encoded, DecodeSpec(16, 24, "grey")).pixels[..., 0] - means).max() <= 1


@given(
    st.integers(0, 1000),
    st.tuples(st.integers(8, 90), st.integers(8, 90)),
    st.sampled_from([".jpg", ".png"]),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from(["area", "linear"]),
    st.sampled_from([np.uint8, np.uint16]),
)
@settings(max_examples=150, deadline=None)
def test_a_grey_file_gives_the_pixels_of_decoding_it_in_colour(
    seed: int, shape: tuple[int, int], suffix: str, scale: Any, interpolation: Any, depth: Any
) -> None:
    depth = np.uint8 if suffix == ".jpg" else depth
    pixels = np.random.default_rng(seed).integers(0, np.iinfo(depth).max, shape, depth)
    encoded = cv2.imencode(suffix, pixels)[1].tobytes()
    spec = DecodeSpec(31, 45, interpolation=interpolation, jpeg_scale=scale)
    flag = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
    flags = flag.get(scale, cv2.IMREAD_REDUCED_COLOR_8) if suffix == ".jpg" else cv2.IMREAD_COLOR
    coloured = np.asarray(cv2.imdecode(np.frombuffer(encoded, np.uint8), flags))
    shrinks = interpolation == "area" and coloured.shape[0] >= 31 and coloured.shape[1] >= 45
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    assert np.array_equal(decode(encoded, spec).pixels, cv2.resize(coloured, (45, 31), interpolation=how))


def test_a_rotation_in_exif_is_ignored() -> None:
    exif = bytes.fromhex("ffe1002245786966000049492a000800000001001201030001000000060000000000000000")
    plain = encode_frame(0.5, suffix=".jpg")
    turned = plain[:2] + exif[: 2 + 0x22] + plain[2:]
    assert np.array_equal(decode(turned, SPEC).pixels, decode(plain, SPEC).pixels)
    assert (decode(turned, SPEC).width_px, decode(turned, SPEC).height_px) == (48, 32)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (DecodeLimits(bytes_max=100), RejectReason.TOO_MANY_BYTES),
        (DecodeLimits(pixels_max=1000), RejectReason.TOO_MANY_PIXELS),
        (DecodeLimits(side_px_min=33), RejectReason.TOO_SMALL),
    ],
)
def test_rejects_frames_beyond_the_limits(limits: DecodeLimits, reason: RejectReason) -> None:
    with pytest.raises(FrameRejected) as caught:
        decode(encode_frame(0.5), SPEC, limits)
    assert caught.value.reason == reason


SEEDS = [encode_frame(0.5, suffix=".jpg"), encode_frame(0.5), encode_frame(0.5, (16, 16), ".jpg")]


@settings(max_examples=300)
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8), st.data())
def test_any_mutation_of_a_file_is_decoded_or_rejected(
    seed: bytes, changes: list[tuple[int, int]], data: st.DataObject
) -> None:
    mutated = bytearray(seed)
    for at, value in changes:
        mutated[at % len(mutated)] = value
    encoded = bytes(mutated[: data.draw(st.integers(0, len(mutated)))])
    with suppress(FrameRejected):
        assert decode(encoded, SPEC).pixels.shape == SPEC.shape
