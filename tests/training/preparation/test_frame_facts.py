import cv2
import numpy as np
import pytest

from stripwatch.training.preparation.frame_facts import FrameFacts, jpeg_quality, measure_facts
from stripwatch.worker.images.colour import measure_colour
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.images.headers.reader import read_header
from tests.training.annotations.exif_images import with_orientation

GREY = np.random.default_rng(1).integers(0, 255, (40, 60)).astype(np.uint8)


def facts_of(encoded: bytes) -> FrameFacts:
    header = read_header(encoded)
    decoded = decode(encoded, DecodeSpec(header.height_px, header.width_px)).pixels
    return measure_facts(
        encoded, header, np.asarray(cv2.cvtColor(decoded, cv2.COLOR_RGB2GRAY), np.uint8), measure_colour(encoded)
    )


def encode(image: np.ndarray, suffix: str = ".png", quality: int = 95) -> bytes:
    return cv2.imencode(suffix, image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 95, 100])
def test_estimates_the_quality_of_a_jpeg_file(quality: int) -> None:
    assert jpeg_quality(encode(GREY, ".jpg", quality)) == pytest.approx(quality, abs=1)


@pytest.mark.parametrize("encoded", [b"", b"\xff\xd8", b"\xff\xd8\xff\xdb\x00\x04\x00", b"\xff\xd8\xff\xda\x00\x02"])
def test_a_damaged_jpeg_has_no_quality(encoded: bytes) -> None:
    assert jpeg_quality(encoded) is None


def test_distinguishes_grey_from_colour() -> None:
    alike, different = np.dstack([GREY, GREY, GREY]), np.dstack([GREY, GREY // 2, GREY])
    found = [facts_of(encode(image)) for image in (GREY, alike, different)]
    assert [(each.channels, each.has_colour) for each in found] == [(1, False), (3, False), (3, True)]
    grey_only = measure_facts(encode(alike), read_header(encode(alike)), GREY, None)
    assert grey_only.has_colour is None


def test_measures_grey_levels_and_orientation() -> None:
    image = np.zeros((10, 100), np.uint8)
    image[:, 98:] = 200
    found = facts_of(with_orientation(encode(image, ".jpg", 100), 6))
    assert (found.format, found.orientation) == ("jpeg", 6)
    assert found.median <= 2
    assert found.bright >= 190
    assert found.statistics.brightness == pytest.approx(4, abs=1)
