"""Speed of a line, from the strip positions and capture times of its frames."""

from collections import OrderedDict, deque
from statistics import median

_WINDOW_MS = 5_000
_STEP_MS = 100  # at most one sample per camera in this time, which bounds the memory
_SAMPLES_MIN, _SPAN_MS_MIN = 3, 500
_LAG = 8  # samples are compared with one up to an eighth of the window earlier: a jump affects few of the differences
_CAMERAS_MAX = 64
_STILL_MPS = 0.001

Sample = tuple[int, int]  # capture time in ms since 1970, strip position in mm


class LineSpeed:
    """Speed of a line over the newest five seconds of its frames.

    Each camera gives the median of the speeds between its samples, which neither a wrong position nor an encoder reset
    changes much. The speed of the line is the median of its cameras.
    """

    def __init__(self) -> None:
        self._cameras: OrderedDict[str, deque[Sample]] = OrderedDict()
        self._newest_ms = 0  # by capture time
        self._heard_ms = 0  # by the time of the record

    def add(self, camera: str, captured_ms: int, position_mm: int | None, heard_ms: int) -> None:
        """Add a frame. heard_ms: time at which its event was written."""
        if position_mm is None or (camera not in self._cameras and len(self._cameras) >= _CAMERAS_MAX):
            return
        self._newest_ms = max(self._newest_ms, captured_ms)
        self._heard_ms = max(self._heard_ms, heard_ms)
        samples = self._cameras.setdefault(camera, deque())
        if samples and captured_ms < samples[-1][0] + _STEP_MS:
            return
        samples.append((captured_ms, position_mm))
        while samples[0][0] < captured_ms - _WINDOW_MS:
            samples.popleft()

    def mps(self, now_ms: int) -> float | None:
        """Return the speed in metres per second, negative while the strip runs tail first.

        None if the strip stands still, if positions are missing or do not change, or if no frame arrived recently.
        """
        if now_ms - self._heard_ms > 2 * _WINDOW_MS:
            return None
        current = [samples for samples in self._cameras.values() if samples[-1][0] > self._newest_ms - _WINDOW_MS]
        speeds = [speed for samples in current if (speed := camera_speed_mps(list(samples))) is not None]
        if not speeds:
            return None
        speed = median(speeds)
        return round(speed, 3) if abs(speed) >= _STILL_MPS else None


def camera_speed_mps(samples: list[Sample]) -> float | None:
    """Return the median speed between samples, which are in the order of their time, or None for too few of them."""
    if len(samples) < _SAMPLES_MIN or samples[-1][0] - samples[0][0] < _SPAN_MS_MIN:
        return None
    lag = max(1, len(samples) // _LAG)
    pairs = zip(samples, samples[lag:], strict=False)
    return median((end_mm - start_mm) / (end_ms - start_ms) for (start_ms, start_mm), (end_ms, end_mm) in pairs)
