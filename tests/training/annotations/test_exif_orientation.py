import struct

import cv2
import pytest

from stripwatch.training.annotations.exif_orientation import exif_orientation
from tests.training.annotations.exif_images import PIXELS, jpeg, tiff_block


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_reads_the_orientation_of_a_jpeg_file(orientation: int, order: str) -> None:
    assert exif_orientation(jpeg(orientation, order)) == orientation


def test_reads_the_orientation_of_other_types() -> None:
    png = cv2.imencode(".png", PIXELS)[1].tobytes()
    block = tiff_block(6)
    assert exif_orientation(png[:33] + struct.pack(">I", len(block)) + b"eXIf" + block + png[33:]) == 6
    assert exif_orientation(b"RIFF\0\0\0\0WEBP" + b"EXIF" + struct.pack("<I", len(block)) + block) == 6
    assert exif_orientation(block) == 6


def test_files_without_orientation_are_upright() -> None:
    assert exif_orientation(cv2.imencode(".jpg", PIXELS)[1].tobytes()) == 1
    assert exif_orientation(cv2.imencode(".png", PIXELS)[1].tobytes()) == 1
    assert exif_orientation(b"") == 1
    assert exif_orientation(jpeg(6)[:30]) == 1
    assert exif_orientation(jpeg(9)) == 1
