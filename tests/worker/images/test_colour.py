from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stripwatch.worker.common.errors import FrameRejected
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.images.colour import COLOUR_MIN, measure_colour
from stripwatch.worker.images.decode_spec import Levels

RUST = np.array([1.0, 0.62, 0.42])  # of the grey level, in red, green and blue


@pytest.fixture
def surface() -> NDArray[np.uint8]:
    """A grey surface with texture and noise, [h, w, 3] with equal channels."""
    rng = np.random.default_rng(4)
    texture = cv2.GaussianBlur(rng.normal(0, 60, (200, 320)).astype(np.float32), (0, 0), 2) + 150
    grey = np.clip(texture + rng.normal(0, 4, texture.shape), 0, 255)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


def encode(rgb: NDArray[np.integer[Any]], suffix: str = ".png", *options: int) -> bytes:
    return cv2.imencode(suffix, rgb[..., ::-1], options)[1].tobytes()


def rusty(surface: NDArray[np.uint8], side_px: int, top: int = 61, left: int = 100) -> NDArray[np.uint8]:
    image = surface.astype(float)
    image[top : top + side_px, left : left + side_px] *= RUST
    return image.astype(np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".webp"])
def test_a_grey_image_stored_in_colour_has_none(surface: NDArray[np.uint8], suffix: str) -> None:
    assert measure_colour(encode(surface, suffix)) < COLOUR_MIN / 2


@pytest.mark.parametrize("quality", [20, 50, 75, 95])
def test_compression_of_a_grey_image_does_not_count(surface: NDArray[np.uint8], quality: int) -> None:
    assert measure_colour(encode(surface, ".jpg", cv2.IMWRITE_JPEG_QUALITY, quality)) == 0


@pytest.mark.parametrize("quality", [50, 75, 95])
@pytest.mark.parametrize("sampling", ["411", "420", "422", "440", "444"])
def test_a_small_rust_spot_counts_although_it_is_half_a_thousandth_of_the_image(
    surface: NDArray[np.uint8], quality: int, sampling: str
) -> None:
    spot = rusty(surface, 8, top=64 + 4, left=96 + 4)  # across four blocks, where it counts least
    options = (
        *(cv2.IMWRITE_JPEG_QUALITY, quality),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{sampling}")),
    )
    assert measure_colour(encode(spot, ".jpg", *options)) >= COLOUR_MIN
    assert measure_colour(encode(spot)) >= COLOUR_MIN


def test_noise_of_single_pixels_and_a_slight_tint_do_not_count(surface: NDArray[np.uint8]) -> None:
    rng = np.random.default_rng(5)
    noisy = np.clip(surface + rng.normal(0, 4, surface.shape), 0, 255).astype(np.uint8)
    assert (noisy.max(axis=2) - noisy.min(axis=2)).mean() > 5
    assert measure_colour(encode(noisy)) < COLOUR_MIN
    tinted = np.clip(surface * np.array([1.03, 1.0, 1.0]), 0, 255).astype(np.uint8)
    assert measure_colour(encode(tinted)) < COLOUR_MIN


def test_a_file_with_one_channel_is_not_decoded(surface: NDArray[np.uint8]) -> None:
    grey = cv2.imencode(".jpg", surface[..., 0])[1].tobytes()
    assert measure_colour(grey) == 0
    png = cv2.imencode(".png", surface[..., 0])[1].tobytes()
    assert measure_colour(png) == 0


def test_images_of_the_smallest_size_are_measured() -> None:
    image = np.full((8, 9, 3), 90, np.uint8)
    image[..., 0] = 130
    assert measure_colour(encode(image)) == 40
    assert measure_colour(encode(image, ".jpg")) == pytest.approx(40, abs=3)


def test_samples_of_sixteen_bits_are_measured_as_the_model_sees_them(surface: NDArray[np.uint8]) -> None:
    deep = (rusty(surface, 16).astype(np.uint16) << 4) // 4  # 12 bits in 16, of a dark image
    encoded = encode(deep)
    as_sixteen = measure_colour(encoded)
    as_twelve = measure_colour(encoded, bit_depth=12)
    assert as_sixteen < COLOUR_MIN < as_twelve
    assert measure_colour(encoded, bit_depth=12, levels=Levels(0.0, 0.25)) > 2 * as_twelve


@pytest.mark.parametrize(
    ("pixel_format", "colour"), [("Mono8", 0), ("RGB8", 255), ("BGR8", 255), ("BayerRG8", 255), ("BayerBG8", 255)]
)
def test_raw_buffers_have_colour_if_their_format_does(pixel_format: str, colour: int) -> None:
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[..., 0] = 255
    buffers = {"Mono8": pixels[..., 0], "RGB8": pixels, "BGR8": pixels}
    mosaic = np.zeros((16, 24), np.uint8)
    mosaic[::2, ::2] = 255  # one of four samples is red, or blue
    layout = RawLayout(pixel_format, 24, 16)
    found = measure_colour(buffers.get(pixel_format, mosaic).tobytes(), layout)
    assert found == pytest.approx(colour, abs=20)


def test_a_damaged_file_is_rejected(surface: NDArray[np.uint8]) -> None:
    with pytest.raises(FrameRejected):
        measure_colour(encode(surface)[:-200])
