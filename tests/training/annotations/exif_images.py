"""Images with an orientation in their EXIF data."""

import struct

import cv2
import numpy as np

PIXELS = np.zeros((8, 16), np.uint8)


def tiff_block(orientation: int, order: str = "<") -> bytes:
    head = b"II*\0" if order == "<" else b"MM\0*"
    entries = struct.pack(f"{order}H", 2)
    entries += struct.pack(f"{order}HHII", 0x010F, 2, 1, 0)
    entries += struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return head + struct.pack(f"{order}I", 8) + entries + bytes(4)


def jpeg(orientation: int, order: str = "<") -> bytes:
    return with_orientation(cv2.imencode(".jpg", PIXELS)[1].tobytes(), orientation, order)


def with_orientation(encoded: bytes, orientation: int, order: str = "<") -> bytes:
    """Return a JPEG file with an orientation in its EXIF data."""
    block = b"Exif\0\0" + tiff_block(orientation, order)
    return encoded[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + encoded[2:]
