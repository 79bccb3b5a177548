"""Brightness, contrast, sharpness and noise of a decoded frame, for monitoring light, lens, focus and sensor."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.images.decode_spec import Pixels

Statistic = Literal["brightness", "contrast", "sharpness", "noise"]
STATISTICS: tuple[Statistic, ...] = ("brightness", "contrast", "sharpness", "noise")

_SAMPLE_PIXELS = 32_768
_NOISE_PIXELS = 8_192  # each one needs its neighbours; the mean over many frames is monitored
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
        noise: Standard deviation of additive noise in grey levels, estimated from the difference of two Laplacians,
            which vanishes on smooth surfaces (Immerkær 1996, https://doi.org/10.1006/cviu.1996.0060). A rough surface
            has a value without any noise, so only a comparison with the training frames means something. None in
            records of versions that did not measure it.
    """

    brightness: float
    contrast: float
    sharpness: float
    noise: float | None = None


def measure(pixels: Pixels) -> FrameStatistics:
    """Measure the statistics of an image.

    The statistics are computed on evenly spaced rows with about 32,768 pixels in total, and noise with 8,192. Of colour
    images only the green channel is used. OpenCV releases the GIL during the computation.

    Args:
        pixels: uint8 array of shape [height, width, channels], as the model receives it.
    """
    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels[:: -(-height * width // _SAMPLE_PIXELS), :, channels // 2])
    mean, deviation = (float(each[0, 0]) for each in cv2.meanStdDev(rows))
    step = cv2.mean(cv2.absdiff(rows[:, 1:], rows[:, :-1]))[0] if width > 1 else 0.0
    return FrameStatistics(mean, deviation, step / max(mean, 1.0), _noise(pixels[:, :, channels // 2]))


def _noise(grey: NDArray[np.uint8]) -> float:
    """Estimate the noise of an image, uint8 [height, width]; 0 for one with less than 3 rows or columns.

    The mask [1 -2 1] is applied across the rows and then along them. The mean absolute value of its response to normal
    noise of deviation 1 is 6 * sqrt(2 / pi).
    """
    height, width = grey.shape
    if height < 3 or width < 3:
        return 0.0
    step = -(-height * width // _NOISE_PIXELS)
    above, middle, below = (grey[at : height - 2 + at : step].astype(np.int16) for at in range(3))
    across = above + below - 2 * middle
    both = across[:, :-2] + across[:, 2:] - 2 * across[:, 1:-1]
    mean: float = cv2.norm(both, cv2.NORM_L1) / both.size
    return mean * math.sqrt(math.pi / 2) / 6


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
