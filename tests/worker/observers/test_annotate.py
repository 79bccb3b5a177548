"""Evidence images: boxes, labels, a faint heatmap, and the size limit."""

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripwatch.worker.common.errors import FrameRejected, StripwatchError
from stripwatch.worker.contracts.events import Box, Defect
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec, Levels, Pixels
from stripwatch.worker.model.bundle import CellGrid
from stripwatch.worker.model.heatmaps import HeatmapDecoder
from stripwatch.worker.observers.annotate import (
    HeatmapOverlay,
    ImageLimits,
    annotate_frame,
    decode_scaled,
    encode_within,
)
from tests.raw_frames import pack

LIMITS, DECODE = ImageLimits(1600, 95, 1_000_000), DecodeLimits()
GREY = 100


def frame(height: int = 256, width: int = 1600) -> bytes:
    return cv2.imencode(".png", np.full((height, width), GREY, np.uint8))[1].tobytes()


def opened(jpeg: bytes) -> Pixels:
    return decode_scaled(jpeg, 10_000, 10_000, DECODE)


def defect(box: Box | None) -> Defect:
    return Defect("scratches", 0.981, box, None)


def changed(pixels: Pixels) -> Any:
    """Return whether a pixel differs from the plain frame."""
    return np.abs(pixels.astype(int) - GREY).max(axis=2) > 30


def test_draws_a_box_at_its_position_in_the_source_image() -> None:
    box = Box(800, 100, 200, 100)
    marked = changed(opened(annotate_frame(frame(), [defect(box)], None, LIMITS, DECODE)))
    assert marked.shape == (256, 1600)
    for row, column in ((150, 800), (150, 999), (199, 900), (100, 900)):  # the four sides of the box
        assert marked[row - 1 : row + 2, column - 1 : column + 2].any()
    assert not marked[110:190, 810:990].any()  # the inside remains visible
    marked[76:203, 797:1003] = False  # the box, with its label and score above it
    assert not marked.any()


def test_scales_the_box_with_a_smaller_image() -> None:
    limits = ImageLimits(400, 95, 1_000_000)
    marked = changed(opened(annotate_frame(frame(), [defect(Box(800, 100, 400, 100))], None, limits, DECODE)))
    assert marked.shape == (64, 400)
    rows, _ = np.nonzero(marked)
    _, columns = np.nonzero(marked[40:])  # below the text
    assert (columns.min(), columns.max()) == pytest.approx((200, 300), abs=3)
    assert rows.max() == pytest.approx(50, abs=3)


def test_writes_label_and_score_without_a_box_and_inside_the_image() -> None:
    for box in (None, Box(1590, 0, 10, 10), Box(0, 250, 10, 6)):
        pixels = opened(annotate_frame(frame(), [defect(box)], None, LIMITS, DECODE))
        assert 800 < changed(pixels).sum() < 8000
    assert changed(opened(annotate_frame(frame(40, 40), [defect(None)], None, LIMITS, DECODE))).any()


def test_draws_a_faint_heatmap_in_the_right_place() -> None:
    reader = HeatmapDecoder("place", CellGrid((7.5, 7.5), (16, 16)), 0.5, 32, 32)
    heat = HeatmapOverlay(np.array([[0, 1], [0, 0]], np.float32), reader)
    pixels = opened(annotate_frame(frame(320, 320), [], heat, LIMITS, DECODE)).astype(int)
    hot, cold = pixels[40, 280], pixels[280, 40]
    assert np.abs(cold - GREY).max() < 5
    assert hot[0] - hot[2] > 60  # orange
    assert hot[0] < 200  # and the image below it remains visible


@given(st.integers(16, 300), st.integers(16, 300), st.integers(30, 100), st.integers(10_000, 60_000))
@settings(max_examples=20)
def test_no_file_exceeds_its_limit(height: int, width: int, quality: int, bytes_max: int) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    jpeg = encode_within(noise, quality, bytes_max)
    assert len(jpeg) <= bytes_max
    found = opened(jpeg).shape
    assert found[0] / found[1] == pytest.approx(height / width, rel=0.1)


def test_rejects_a_limit_that_is_too_small_and_a_file_that_is_not_an_image() -> None:
    with pytest.raises(StripwatchError, match="into 100 bytes"):
        encode_within(np.zeros((64, 64, 3), np.uint8), 90, 100)
    with pytest.raises(FrameRejected):
        annotate_frame(b"<svg>", [], None, LIMITS, DECODE)


def test_draws_on_a_raw_buffer_as_on_a_file() -> None:
    buffer, layout = pack(np.full((40, 40), 2048), "Mono12p")
    assert opened(annotate_frame(buffer, [], None, LIMITS, DECODE, layout)).shape == (40, 40, 3)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_frame_of_unknown_bit_depth_is_visible(bits: int) -> None:
    deep = np.full((32, 48), GREY, np.uint16) << (bits - 8)
    deep[0, 0] = 2**bits - 1
    encoded = cv2.imencode(".png", deep)[1].tobytes()
    assert (decode_scaled(encoded, 100, 100, DECODE)[8:] == GREY).all()


def test_an_image_is_as_bright_as_the_model_input() -> None:
    encoded = cv2.imencode(".png", np.full((32, 48), 1024, np.uint16))[1].tobytes()
    depth = DecodeSpec(16, 24, bit_depth=12, levels=Levels(0.0, 0.5))
    assert (decode_scaled(encoded, 100, 100, DECODE, depth=depth) == 128).all()
    picture = annotate_frame(encoded, [], None, LIMITS, DECODE, depth=depth)
    assert np.abs(opened(picture).astype(int) - 128).max() <= 2
