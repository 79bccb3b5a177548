import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.training.stress.changes import CHANGES, Change
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.images.image_statistics import measure

BY_NAME = {change.name: change for change in CHANGES}


def texture(height: int = 60, width: int = 90, channels: int = 1, seed: int = 0) -> Pixels:
    noise = np.random.default_rng(seed).integers(60, 180, (height // 4 + 1, width // 4 + 1, channels), np.uint8)
    grown = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(grown, np.uint8).reshape(height, width, channels)


def change(name: str, strength: float, pixels: Pixels, seed: int = 0) -> Pixels:
    return BY_NAME[name].apply(pixels, strength, np.random.default_rng(seed))


def different(first: Pixels, second: Pixels) -> float:
    return float(np.abs(first.astype(float) - second).mean())


@pytest.mark.parametrize("each", CHANGES, ids=lambda each: each.name)
@pytest.mark.parametrize("channels", [1, 3])
def test_change_keeps_shape_and_frame(each: Change, channels: int) -> None:
    pixels = texture(channels=channels)
    before = pixels.copy()
    for strength in each.strengths:
        changed = each.apply(pixels, strength, np.random.default_rng(0))
        assert changed.shape == pixels.shape
        assert changed.dtype == np.uint8
        assert (changed != before).any()
    assert (pixels == before).all()


@pytest.mark.parametrize("each", [each for each in CHANGES if "camera" not in each.name], ids=lambda each: each.name)
def test_stronger_changes_differ_more(each: Change) -> None:
    pixels = texture()
    steps = [different(each.apply(pixels, strength, np.random.default_rng(0)), pixels) for strength in each.strengths]
    assert steps == sorted(steps)


@given(factor=st.floats(0.1, 1.0))
def test_darker_scales_brightness(factor: float) -> None:
    pixels = texture()
    darker = change("darker", factor, pixels)
    assert measure(darker).brightness == pytest.approx(factor * measure(pixels).brightness, abs=0.5)


def test_gamma_keeps_black_and_white() -> None:
    pixels = np.array([[[0], [255], [128]]], np.uint8)
    assert change("higher gamma", 2.0, pixels).ravel().tolist() == [0, 255, 64]
    assert change("lower gamma", 0.5, pixels).ravel().tolist() == [0, 255, 181]


def test_less_contrast_keeps_brightness() -> None:
    pixels = texture()
    flat = measure(change("less contrast", 0.5, pixels))
    assert flat.brightness == pytest.approx(measure(pixels).brightness, abs=0.5)
    assert flat.contrast == pytest.approx(0.5 * measure(pixels).contrast, rel=0.05)


def test_shading_runs_across_the_strip() -> None:
    shaded = change("shading across the strip", 0.4, np.full((50, 80, 1), 100, np.uint8))
    assert (shaded[0] == 60).all()
    assert (shaded[-1] == 120).all()


def test_noise_has_the_stated_deviation() -> None:
    grey = np.full((200, 200, 1), 128, np.uint8)
    assert change("noise", 8, grey).std() == pytest.approx(8, rel=0.05)


def test_motion_blurs_along_the_strip_only() -> None:
    line = np.zeros((20, 20, 1), np.uint8)
    line[:, 10] = 250
    assert change("motion blur", 5, line)[10, :, 0].tolist()[8:13] == [50] * 5
    along = np.ascontiguousarray(line.transpose(1, 0, 2))
    assert (change("motion blur", 5, along) == along).all()


def test_dust_covers_the_stated_share() -> None:
    white = np.full((400, 400, 1), 200, np.uint8)
    darkened = [1 - float(change("dust", 0.05, white, seed).mean()) / 200 for seed in range(10)]
    assert np.mean(darkened) == pytest.approx(0.05 * 0.6, rel=0.2)  # a speck takes 60 % of the light


def test_zoom_enlarges_around_the_centre() -> None:
    square = np.zeros((101, 101, 1), np.uint8)
    square[40:61, 40:61] = 255
    assert change("closer camera", 1.4, square).mean() == pytest.approx(1.4**2 * square.mean(), rel=0.1)
    assert change("farther camera", 0.7, square).mean() == pytest.approx(0.7**2 * square.mean(), rel=0.1)


def test_mirrors_and_turn() -> None:
    pixels = texture()
    along = change("mirrored along the strip", 1, pixels)
    assert (along[:, 0] == pixels[:, -1]).all()
    assert (change("mirrored across the strip", 1, along) == change("rotated by 180°", 1, pixels)).all()


def test_compression_keeps_colours() -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    assert np.abs(change("JPEG compression", 70, red).astype(int) - red).max() < 12
