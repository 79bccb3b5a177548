"""Brightness, contrast and sharpness of a decoded frame, for monitoring light, lens and focus."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from stripwatch.worker.images.decode_spec import Pixels

Statistic = Literal["brightness", "contrast", "sharpness"]
STATISTICS: tuple[Statistic, ...] = ("brightness", "contrast", "sharpness")

_SAMPLE_PIXELS = 32_768
_CAMERAS_MAX = 1024


@dataclass(frozen=True, slots=True)
class FrameStatistics:
    """Pixel statistics of one frame.

    Attributes:
        brightness: Mean grey value, 0 to 255.
        contrast: Standard deviation of the grey values.
        sharpness: Mean absolute difference of neighbouring pixels along the row (sum modulus difference, Jarvis 1976)
            divided by the mean, so that dim light does not count as blur (Groen et al. 1985). At 0.05, neighbours
            differ by 5 % of the brightness. The strip runs along the row, so motion blur lowers the value too. Sensor
            noise raises it.
    """

    brightness: float
    contrast: float
    sharpness: float


def measure(pixels: Pixels) -> FrameStatistics:
    """Measure the statistics of an image.

    The statistics are computed on evenly spaced rows with about 32,768 pixels in total. Of colour images only the green
    channel is used. OpenCV releases the GIL during the computation.

    Args:
        pixels: uint8 array of shape [height, width, channels], as the model receives it.
    """
    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels[:: -(-height * width // _SAMPLE_PIXELS), :, channels // 2])
    mean, deviation = (float(each[0, 0]) for each in cv2.meanStdDev(rows))
    step = cv2.mean(cv2.absdiff(rows[:, 1:], rows[:, :-1]))[0] if width > 1 else 0.0
    return FrameStatistics(mean, deviation, step / max(mean, 1.0))


class FrameSampler:
    """Selects the first frame of each camera, and then one in `interval_frames` frames; 0 selects none.

    Thread-safe, except that simultaneous calls may miscount, which costs one extra or one missing measurement.
    """

    def __init__(self, interval_frames: int) -> None:
        self._interval_frames = interval_frames
        self._seen: dict[str, int] = {}

    def due(self, camera: str) -> bool:
        """Count a frame of the camera, and return whether it is to be measured."""
        if not self._interval_frames:
            return False
        if camera not in self._seen and len(self._seen) >= _CAMERAS_MAX:  # camera names come from outside
            self._seen.clear()
        seen = self._seen.get(camera, 0)
        self._seen[camera] = (seen + 1) % self._interval_frames
        return seen == 0


class CameraSampler:
    """Limits measurements to one per camera and period.

    Thread-safe, except that two simultaneous calls may both return True, which costs one extra measurement.
    """

    def __init__(self, period_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._period_s = period_s
        self._now_s = now_s
        self._due_s: dict[str, float] = {}

    def due(self, camera: str) -> bool:
        """Return whether the camera is due for a measurement, and start its next period if so."""
        now_s = self._now_s()
        if now_s < self._due_s.get(camera, now_s):
            return False
        if len(self._due_s) >= _CAMERAS_MAX:  # bound the memory: camera names come from outside
            self._due_s.clear()
        self._due_s[camera] = now_s + self._period_s
        return True
