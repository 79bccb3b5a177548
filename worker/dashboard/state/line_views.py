"""Counters of each line and its cameras for the live page."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stripwatch.worker.contracts.events import FrameFlag

_SAMPLES = 2_000


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
    side: str | None = None
    height_px: int | None = None
    states: Counter[str] = field(default_factory=Counter)
    flags: Counter[FrameFlag] = field(default_factory=Counter)
    unsure: int = 0
    defects: int = 0
    last_ms: int = 0


@dataclass(slots=True)
class LineView:
    cameras: dict[str, CameraView] = field(default_factory=dict)
    latency: Latency = field(default_factory=Latency)
    had_coil: bool = False

    def row(self, name: str) -> dict[str, Any]:
        return {
            "line": name,
            "latency_ms_p50": self.latency.percentile(50),
            "latency_ms_p99": self.latency.percentile(99),
            "cameras": [
                {
                    "camera": id_,
                    "side": c.side,
                    "defects": c.defects,
                    "last_ms": c.last_ms,
                    "unsure": c.unsure,
                    "flags": {flag.value: count for flag, count in c.flags.items()},
                    **c.states,
                }
                for id_, c in sorted(self.cameras.items())
            ],
        }
