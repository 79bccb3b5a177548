import struct

import cv2
import numpy as np
import pytest

from stripwatch.training.annotations.exif_orientation import exif_orientation

PIXELS = np.zeros((8, 16), np.uint8)


def tiff_block(orientation: int, order: str = "<") -> bytes:
    head = b"II*\0" if order == "<" else b"MM\0*"
    entries = struct.pack(f"{order}H", 2)
    entries += struct.pack(f"{order}HHII", 0x010F, 2, 1, 0)
    entries += struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return head + struct.pack(f"{order}I", 8) + entries + bytes(4)


def jpeg(orientation: int, order: str = "<") -> bytes:
    encoded = cv2.imencode(".jpg", PIXELS)[1].tobytes()
    block = b"Exif\0\0" + tiff_block(orientation, order)
    return encoded[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + encoded[2:]


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
