"""Facts about an image file that checks of a data set compare: format, colour, orientation and grey levels."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stripwatch.training.annotations.exif_orientation import exif_orientation
from stripwatch.worker.images.colour import COLOUR_MIN
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.images.headers.header import ImageHeader
from stripwatch.worker.images.image_statistics import FrameStatistics, Statistic, measure

SURVEYED: tuple[Statistic, ...] = ("brightness", "contrast", "sharpness")

# Zigzag order does not matter here, because only the sums of the tables are compared.
_LUMINANCE_SUM = 3688  # of the table of ITU-T T.81, annex K.1, which is quality 50
_QUANTIZATION = 0xDB
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """Facts about one image file.

    format: such as "jpeg". channels: samples per pixel in the file. jpeg_quality: estimated quality, 1 to 100; None
    for other formats. orientation: EXIF orientation, 1 to 8. colour: see `stripwatch.worker.images.colour`; None if the
    model does not see colour. statistics: of the grey image in its own size. median, bright: median and 99th percentile
    of the grey levels, 0 to 255.
    """

    format: str
    channels: int
    jpeg_quality: int | None
    orientation: int
    colour: int | None
    statistics: FrameStatistics
    median: int
    bright: int

    @property
    def has_colour(self) -> bool | None:
        """Return whether the file has colour channels that differ; None if it is unknown."""
        if self.channels < 3:
            return False
        return None if self.colour is None else self.colour >= COLOUR_MIN


def measure_facts(encoded: bytes, header: ImageHeader, grey: Pixels, colour: int | None) -> FrameFacts:
    """Return the facts about a file. grey: uint8 [h, w], in its own size. colour: as in the facts."""
    shares = np.cumsum(_histogram(grey)) / grey.size
    return FrameFacts(
        format=header.format,
        channels=header.channels,
        jpeg_quality=jpeg_quality(encoded) if header.format == "jpeg" else None,
        orientation=exif_orientation(encoded),
        colour=colour,
        statistics=measure(grey[..., None]),
        median=int(np.searchsorted(shares, 0.5)),
        bright=int(np.searchsorted(shares, 0.99)),
    )


def _histogram(grey: Pixels) -> NDArray[np.float64]:
    return np.asarray(cv2.calcHist([grey], [0], None, [256], [0, 256]), np.float64).ravel()


def jpeg_quality(encoded: bytes) -> int | None:
    """Return the quality at which libjpeg would write the first quantization table of a JPEG file, 1 to 100.

    Inverts `jpeg_quality_scaling` of libjpeg (https://github.com/libjpeg-turbo/libjpeg-turbo/blob/main/src/jcparam.c):
    the table is that of quality 50 times 50 / quality below 50, and times 2 - quality / 50 above. None without a table.
    """
    table = _first_table(encoded)
    if table is None:
        return None
    scale = 100 * sum(table) / _LUMINANCE_SUM  # in percent
    quality = 5000 / scale if scale > 100 else (200 - scale) / 2
    return int(min(max(round(quality), 1), 100))


def _first_table(encoded: bytes) -> list[int] | None:
    at = 2
    while at + 4 <= len(encoded) and encoded[at] == 0xFF:
        marker = encoded[at + 1]
        if marker in _WITHOUT_LENGTH or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(encoded[at + 2 : at + 4], "big")
        if marker == _QUANTIZATION:
            wide = encoded[at + 4] >> 4 if at + 4 < len(encoded) else 0
            values = encoded[at + 5 : at + 5 + (128 if wide else 64)]
            return np.frombuffer(values, ">u2" if wide else np.uint8).tolist() if len(values) >= 64 else None
        at += 2 + length
    return None
