"""Brightness, contrast and sharpness: their values, and how they react to light and blur."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.images.image_statistics import CameraSampler, FrameSampler, measure
from stripwatch.worker.simulator.scene import render
from tests.clock import ManualClock

SHAPES = [(200, 200), (256, 1600)]


def grey(shape: tuple[int, int], factor: float = 1.0) -> Pixels:
    return render("clean", shape, 3, factor).pixels[..., np.newaxis]


@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]))))
def test_statistics_of_small_frames_match_numpy(pixels: Pixels) -> None:
    seen = pixels[..., pixels.shape[2] // 2].astype(float)
    steps = np.abs(np.diff(seen, axis=1))
    found = measure(pixels)
    assert found.brightness == pytest.approx(seen.mean())
    assert found.contrast == pytest.approx(seen.std(), abs=1e-5)  # OpenCV subtracts squares in float32
    assert found.sharpness == pytest.approx((steps.mean() if steps.size else 0) / max(seen.mean(), 1))


@pytest.mark.parametrize("shape", SHAPES)
def test_statistics_of_large_frames_are_close_to_those_of_all_pixels(shape: tuple[int, int]) -> None:
    pixels = grey(shape)
    found = measure(pixels)
    assert found.brightness == pytest.approx(pixels.mean(), rel=0.05)
    assert found.contrast == pytest.approx(pixels.std(), rel=0.15)


@pytest.mark.parametrize("shape", SHAPES)
def test_less_light_lowers_brightness_and_contrast_but_hardly_sharpness(shape: tuple[int, int]) -> None:
    bright, dim = measure(grey(shape)), measure(grey(shape, 0.5))
    assert dim.brightness == pytest.approx(0.5 * bright.brightness, rel=0.02)
    assert dim.contrast == pytest.approx(0.5 * bright.contrast, rel=0.02)
    assert dim.sharpness == pytest.approx(bright.sharpness, rel=0.1)


@pytest.mark.parametrize("shape", SHAPES)
def test_blur_lowers_sharpness_but_not_brightness(shape: tuple[int, int]) -> None:
    pixels = grey(shape)[..., 0]
    sharp = measure(pixels[..., np.newaxis])
    for blurred in (cv2.GaussianBlur(pixels, (0, 0), 3), cv2.blur(pixels, (15, 1))):
        found = measure(np.asarray(blurred, np.uint8)[..., np.newaxis])
        assert found.sharpness < 0.5 * sharp.sharpness
        assert found.brightness == pytest.approx(sharp.brightness, rel=0.02)


@pytest.mark.parametrize("sigma", [2, 8, 16])
def test_estimates_the_noise_of_a_smooth_surface(sigma: float) -> None:
    slope = np.linspace(80, 160, 300)[np.newaxis] + np.linspace(0, 20, 200)[:, np.newaxis]
    noisy = slope + np.random.default_rng(1).normal(0, sigma, slope.shape)
    assert measure(np.rint(slope).astype(np.uint8)[..., np.newaxis]).noise == pytest.approx(0, abs=0.5)
    assert measure(np.rint(noisy).clip(0, 255).astype(np.uint8)[..., np.newaxis]).noise == pytest.approx(
        sigma, rel=0.05
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_noise_is_told_from_blur_and_light(shape: tuple[int, int]) -> None:
    pixels = grey(shape)
    usual = measure(pixels).noise
    assert usual is not None
    blurred = cv2.GaussianBlur(pixels[..., 0], (0, 0), 1)
    for other in (measure(grey(shape, 0.5)), measure(np.asarray(blurred, np.uint8)[..., np.newaxis])):
        assert other.noise is not None
        assert other.noise < 0.7 * usual


def test_samples_each_camera_once_per_period() -> None:
    clock = ManualClock()
    turns = CameraSampler(0.2, clock.monotonic)
    assert [turns.due(camera) for camera in ("a", "b", "a", "b")] == [True, True, False, False]
    clock.now_s = 0.19
    assert not turns.due("a")
    clock.now_s = 0.21
    assert [turns.due("a"), turns.due("a")] == [True, False]


def test_unlimited_camera_names_use_bounded_memory() -> None:
    turns = CameraSampler(60, ManualClock().monotonic)
    assert all(turns.due(f"camera-{number}") for number in range(5000))
    assert len(turns._due_s) <= 1024


def test_selects_the_first_frame_of_each_camera_and_then_one_in_three() -> None:
    turns = FrameSampler(3)
    assert [turns.due("a") for _ in range(7)] == [True, False, False, True, False, False, True]
    assert [turns.due("b"), turns.due("a"), turns.due("b")] == [True, False, False]
    assert [FrameSampler(1).due("a") for _ in range(2)] == [True, True]


def test_an_interval_of_zero_selects_no_frame() -> None:
    turns = FrameSampler(0)
    assert not any(turns.due("a") for _ in range(5))


def test_counting_frames_of_unlimited_camera_names_uses_bounded_memory() -> None:
    turns = FrameSampler(10)
    assert all(turns.due(f"camera-{number}") for number in range(5000))
    assert len(turns._seen) <= 1024
