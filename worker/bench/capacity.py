"""Capacity derived from measured costs: the limits of the machine, the bottleneck, and the number of cameras."""

import math
import re
from dataclasses import dataclass

from stripwatch.worker.common.errors import SettingsError

# At full load every hiccup lengthens the queue, and with it the latency.
LOAD_MAX = 0.8


@dataclass(frozen=True, slots=True)
class FrameCosts:
    """CPU seconds per frame of each step, measured in isolation. broker_s is None if the broker runs elsewhere."""

    consume_s: float
    decode_s: float
    inference_s: float
    publish_s: float
    broker_s: float | None

    @property
    def frame_s(self) -> float:
        return self.consume_s + self.decode_s + self.inference_s + self.publish_s + (self.broker_s or 0.0)


@dataclass(frozen=True, slots=True)
class CapacityLimits:
    """Upper limits of throughput, in frames per second.

    inference_fps: inference alone on prepared batches. intake_fps: consumer and decoding alone. cpu_fps: all cores
    spend their time on the steps of a frame only; None if a GPU does part of the work.
    """

    inference_fps: float
    intake_fps: float
    cpu_fps: float | None

    @property
    def binding(self) -> tuple[str, float]:
        """Return the name of the lowest limit, and the limit in frames per second."""
        found = {"inference": self.inference_fps, "intake and decode": self.intake_fps}
        if self.cpu_fps is not None:
            found["CPU"] = self.cpu_fps
        name = min(found, key=found.__getitem__)
        return name, found[name]


def cpu_limit(costs: FrameCosts, cores: int) -> float:
    return cores / costs.frame_s


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """The needs of a line: number of cameras, frames per second per camera, and frame size (height x width in px)."""

    cameras: int
    rate_fps: float
    shape: str

    @property
    def fps(self) -> float:
        return self.cameras * self.rate_fps


@dataclass(frozen=True, slots=True)
class CapacityFit:
    """The result of fitting a plan to machines of a measured capacity.

    cameras_max: number of such cameras per machine. machines: number needed for the whole plan, or None if not even one
    camera fits. load: the plan's rate as a share of the capacity of one machine.
    """

    cameras_max: int
    machines: int | None
    load: float


def parse_plan(text: str) -> CameraPlan:
    """Parse a plan such as "12 cameras 30 fps 256x1600". Raises SettingsError."""
    match = re.fullmatch(r"\s*(\d{1,4}) cameras? (\d{1,4}(?:\.\d+)?) fps (\d{1,5}x\d{1,5})\s*", text)
    if match is None or not int(match[1]) or not float(match[2]):
        raise SettingsError(f"--plan must have the form '12 cameras 30 fps 256x1600', not {text!r}")
    return CameraPlan(int(match[1]), float(match[2]), match[3])


def fit(plan: CameraPlan, capacity_fps: float) -> CapacityFit:
    """Calculate how a plan fits machines of `capacity_fps` each, loaded up to LOAD_MAX."""
    cameras_max = int(LOAD_MAX * capacity_fps / plan.rate_fps)
    machines = math.ceil(plan.cameras / cameras_max) if cameras_max else None
    return CapacityFit(cameras_max, machines, plan.fps / capacity_fps)
