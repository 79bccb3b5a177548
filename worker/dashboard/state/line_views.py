"""Counters of each line and its cameras for the live page."""

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from msgspec.structs import replace as replace_struct

from stripwatch.worker.coils.tracking.observations import Observation
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.dashboard.state.line_speed import LineSpeed

_SAMPLES = 2_000
_RECENT_FRAMES, _REJECTS_MIN, _REJECT_SHARE_MAX = 100, 5, 0.1
_STOPPED_MS = 60_000
_LINES_MAX, _CAMERAS_MAX, _OTHER = 16, 64, "other"


class Latency:
    """Latency percentiles in milliseconds over the last 2,000 values."""

    def __init__(self) -> None:
        self._values_ms: deque[float] = deque(maxlen=_SAMPLES)

    def add(self, value_ms: float) -> None:
        self._values_ms.append(value_ms)

    def percentile(self, percent: float) -> float | None:
        return round(float(np.percentile(self._values_ms, percent)), 1) if self._values_ms else None


@dataclass(slots=True)
class CameraView:
    """Counters of one camera.

    last_ms: capture time of its newest frame, by the clock of the camera. heard_ms: time at which the worker wrote the
    newest event of the camera, replays excluded. The clock of a camera may be wrong, so only heard_ms tells whether
    frames still arrive.
    """

    side: str | None = None
    height_px: int | None = None
    states: Counter[str] = field(default_factory=Counter)
    flags: Counter[FrameFlag] = field(default_factory=Counter)
    recent_rejects: deque[bool] = field(default_factory=lambda: deque(maxlen=_RECENT_FRAMES))
    unsure: int = 0
    novel: int = 0
    defects: int = 0
    last_ms: int = 0
    heard_ms: int = 0

    @property
    def is_rejecting(self) -> bool:
        """True if many of the newest frames were rejected, by the default limits of a worker."""
        rejected = sum(self.recent_rejects)
        return rejected >= _REJECTS_MIN and rejected > _REJECT_SHARE_MAX * len(self.recent_rejects)


@dataclass(slots=True)
class LineView:
    cameras: dict[str, CameraView] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)
    speed: LineSpeed = field(default_factory=LineSpeed)
    had_coil: bool = False

    @property
    def last_ms(self) -> int:
        """Capture time of the newest frame, in milliseconds since 1970; 0 without frames."""
        return max((camera.last_ms for camera in self.cameras.values()), default=0)

    @property
    def heard_ms(self) -> int:
        """Time of the newest event, in milliseconds since 1970; 0 without frames."""
        return max((camera.heard_ms for camera in self.cameras.values()), default=0)

    def has_stopped(self, now_ms: int) -> bool:
        """Return whether no frame of any camera has been inspected or rejected for a minute."""
        return now_ms - self.heard_ms > _STOPPED_MS

    def row(self, name: str, now_ms: int) -> dict[str, Any]:
        return {
            "line": name,
            "last_ms": self.last_ms,
            "heard_ms": self.heard_ms,
            "stopped": self.has_stopped(now_ms),
            "speed_mps": self.speed.mps(now_ms),
            "latency_ms_p50": self.latency.percentile(50),
            "latency_ms_p99": self.latency.percentile(99),
            "cameras": [
                {
                    "camera": id_,
                    "side": c.side,
                    "defects": c.defects,
                    "last_ms": c.last_ms,
                    "heard_ms": c.heard_ms,
                    "unsure": c.unsure,
                    "novel": c.novel,
                    "rejecting": c.is_rejecting,
                    "flags": {flag.value: count for flag, count in c.flags.items()},
                    **c.states,
                }
                for id_, c in sorted(self.cameras.items())
            ],
        }


class LineViews:
    """All lines by name. Names come from outside: beyond a limit, further ones count as 'other'. Not thread-safe."""

    def __init__(self) -> None:
        self._lines: dict[str, LineView] = {}

    @property
    def names(self) -> list[str]:
        """Names of the lines, "" for a line without a name; at most 17."""
        return list(self._lines)

    def bounded(self, observation: Observation) -> Observation:
        """Register the line and camera of an observation, and replace those beyond the limits by 'other'."""
        name = observation.line or ""
        if name not in self._lines and len(self._lines) >= _LINES_MAX:
            name = _OTHER
        line = self._lines.setdefault(name, LineView())
        camera = observation.camera
        if camera not in line.cameras and len(line.cameras) >= _CAMERAS_MAX:
            camera = _OTHER
        line.cameras.setdefault(camera, CameraView())
        if (name, camera) == (observation.line or "", observation.camera):
            return observation
        defects = tuple(replace_struct(defect, camera=camera) for defect in observation.defects)
        return replace(observation, line=name, camera=camera, defects=defects)

    def of(self, bounded: Observation) -> LineView:
        """Return the line of an observation that `bounded` has returned."""
        return self._lines[bounded.line or ""]

    def known(self, observation: Observation) -> tuple[LineView, CameraView]:
        """Return the line and camera that a registered observation counts for, by its original names."""
        line = self._lines.get(observation.line or "") or self._lines[_OTHER]
        return line, line.cameras.get(observation.camera) or line.cameras[_OTHER]

    def views(self, name: str) -> dict[str, tuple[str | None, int | None]]:
        """Return the side and the height in pixels of each camera of a line."""
        line = self._lines.get(name)
        return {id_: (camera.side, camera.height_px) for id_, camera in line.cameras.items()} if line else {}

    def rows(self, now_ms: int) -> list[dict[str, Any]]:
        """Return the rows of all lines: the running ones first, then by name, with the unnamed line last.

        A line changes its place only when it stops or starts.
        """
        ordered = sorted(self._lines.items(), key=lambda item: (item[1].has_stopped(now_ms), not item[0], item[0]))
        return [line.row(name, now_ms) for name, line in ordered]
