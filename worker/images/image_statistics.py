"""Three numbers of a decoded frame, by which light, lens and focus are watched."""

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
    """brightness: mean, in grey values of 0 to 255. contrast: their standard deviation.

    sharpness: mean absolute difference of neighbours along the row (Jarvis 1976, sum modulus difference) over the mean
    (Groen et al. 1985, so that dim light is no blur): 0.05 says that neighbours differ by 5 % of the brightness. The
    strip runs along the row, so blur by motion shows there too. Noise of the sensor counts as sharp.
    """

    brightness: float
    contrast: float
    sharpness: float


def measure(pixels: Pixels) -> FrameStatistics:
    """pixels: uint8 [height, width, channels], as a model takes them. Of colour, green stands for grey.

    Looks at whole rows, as far apart as makes about 32,768 pixels; OpenCV releases the GIL meanwhile.
    """
    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels[:: -(-height * width // _SAMPLE_PIXELS), :, channels // 2])
    mean, deviation = (float(each[0, 0]) for each in cv2.meanStdDev(rows))
    step = cv2.mean(cv2.absdiff(rows[:, 1:], rows[:, :-1]))[0] if width > 1 else 0.0
    return FrameStatistics(mean, deviation, step / max(mean, 1.0))


class CameraSampler:
    """Whether it is a camera's turn to be measured: never twice within period_s, however fast it sends.

    Any thread may call. Two that call at once may both get yes, which costs one measurement more.
    """

    def __init__(self, period_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._period_s = period_s
        self._now_s = now_s
        self._due_s: dict[str, float] = {}

    def due(self, camera: str) -> bool:
        now_s = self._now_s()
        if now_s < self._due_s.get(camera, now_s):
            return False
        if len(self._due_s) >= _CAMERAS_MAX:  # names come from outside; those cut off are only measured once more
            self._due_s.clear()
        self._due_s[camera] = now_s + self._period_s
        return True
