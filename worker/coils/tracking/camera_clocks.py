"""Converts capture times of all cameras to one clock, so a camera with a wrong clock does not appear late."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from stripwatch.worker.coils.tracking.observations import Observation

_WINDOW_MS = 12 * 3_600_000  # a clock that was set back is recognized after one to two windows
_CAMERAS_MAX = 1_000

CameraKey = tuple[str | None, str]  # line and camera


class KnownDelay(NamedTuple):
    shortest_ms: int
    known_ms: int


@dataclass(slots=True)
class _Delay:
    """The shortest time from capture to result in this window and in the previous one."""

    began_ms: int
    shortest_ms: int
    before_ms: int

    @property
    def behind_ms(self) -> int:
        return min(self.shortest_ms, self.before_ms)


class CameraClocks:
    """Adds to the capture times of a camera the delay of its clock against the workers' clock.

    A result normally follows its frame within a fraction of a second, and no worker is late all the time. The shortest
    time from capture to result beyond that fraction is therefore the error of the camera's clock. The clock of an
    unknown camera is assumed to be right.

    known: delays from an earlier run, by line and camera.
    """

    def __init__(self, known: Mapping[CameraKey, KnownDelay] = MappingProxyType({})) -> None:
        self._delays: OrderedDict[CameraKey, _Delay] = OrderedDict(
            (key, _Delay(of.known_ms, of.shortest_ms, of.shortest_ms)) for key, of in known.items()
        )

    def common_ms(self, observation: Observation) -> int:
        """Return the capture time by the workers' clock, after updating the delay of the camera's clock."""
        key, recorded_ms = (observation.line, observation.camera), observation.recorded_ms
        if recorded_ms is None:
            return observation.captured_ms
        delay = self._delays.get(key)
        if observation.replay_of is None:  # a replay keeps its old time of capture
            delay = self._learn(key, recorded_ms, recorded_ms - observation.captured_ms)
        return observation.captured_ms + (delay.behind_ms if delay else 0)

    def shortest_ms(self, line: str | None, camera: str) -> int | None:
        """Return the shortest time from capture to result, or None for an unknown camera."""
        delay = self._delays.get((line, camera))
        return delay.behind_ms if delay else None

    def behind_ms(self, line: str | None, camera: str) -> int:
        """Return the known delay of the camera's clock; 0 for an unknown camera."""
        return self.shortest_ms(line, camera) or 0

    def _learn(self, key: CameraKey, recorded_ms: int, delay_ms: int) -> _Delay:
        delay = self._delays.setdefault(key, _Delay(recorded_ms, delay_ms, delay_ms))
        if recorded_ms - delay.began_ms > _WINDOW_MS:
            delay.began_ms, delay.before_ms, delay.shortest_ms = recorded_ms, delay.shortest_ms, delay_ms
        delay.shortest_ms = min(delay.shortest_ms, delay_ms)
        self._delays.move_to_end(key)
        while len(self._delays) > _CAMERAS_MAX:
            self._delays.popitem(last=False)
        return delay
