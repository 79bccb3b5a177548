"""Images as labelling tools show them: browsers show no TIFF files, and 16-bit images too dark."""

import os
from pathlib import Path

import cv2

from stripwatch.export.runs.files import atomic_write
from stripwatch.training.annotations.exif_orientation import exif_orientation
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.images.headers.header import ImageHeader
from stripwatch.worker.images.image_files import SUFFIXES

_SHOWN = frozenset({"jpeg", "png", "webp", "bmp"})


def write_shown(source: Path, encoded: bytes, header: ImageHeader, folder: Path) -> str:
    """Put an image into the folder of a labelling tool, and return its file name there.

    A file that every browser shows upright is linked, or copied where the file system has no links. Others are
    converted to an 8-bit PNG file of the same size. encoded: content of the source. Raises FrameRejected for pixels
    that cannot be decoded, InputError if the file cannot be written.
    """
    shown = header.format in _SHOWN and header.bits <= 8 and exif_orientation(encoded) == 1
    target = folder / (source.stem + (SUFFIXES[header.format] if shown else ".png"))
    if target.exists():
        return target.name
    if not shown:
        pixels = decode(encoded, DecodeSpec(header.height_px, header.width_px)).pixels
        encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()
    elif _linked(source, target):
        return target.name
    atomic_write(target, encoded)
    return target.name


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        return False
    return True
