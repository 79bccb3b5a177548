"""What measured costs mean: the limit of the machine, what binds, and how many cameras it can take."""

import math
import re
from dataclasses import dataclass

from stripwatch.worker.common.errors import SettingsError

# At full load a queue grows with every hiccup, and latency with it.
LOAD_MAX = 0.8


@dataclass(frozen=True, slots=True)
class FrameCosts:
    """CPU seconds that one frame costs each step, measured alone. broker: None where it runs elsewhere."""

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
    """Frames a second that cannot be passed. inference: alone on ready batches. intake: consumer and decode alone.

    cpu: all cores busy with the costs of a frame and nothing else; None where a GPU does part of the work.
    """

    inference_fps: float
    intake_fps: float
    cpu_fps: float | None

    @property
    def binding(self) -> tuple[str, float]:
        """The lowest, by name."""
        found = {"inference": self.inference_fps, "intake and decode": self.intake_fps}
        if self.cpu_fps is not None:
            found["CPU"] = self.cpu_fps
        name = min(found, key=found.__getitem__)
        return name, found[name]


def cpu_limit(costs: FrameCosts, cores: int) -> float:
    return cores / costs.frame_s


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """What a line needs: a number of cameras, frames a second of each, of height x width px."""

    cameras: int
    rate_fps: float
    shape: str

    @property
    def fps(self) -> float:
        return self.cameras * self.rate_fps


@dataclass(frozen=True, slots=True)
class CapacityFit:
    """cameras_max: of this rate on one machine. machines: for all of the plan. load: share of capacity on one."""

    cameras_max: int
    machines: int | None
    load: float


def parse_plan(text: str) -> CameraPlan:
    """ "12 cameras 30 fps 256x1600". Raises SettingsError."""
    match = re.fullmatch(r"\s*(\d{1,4}) cameras? (\d{1,4}(?:\.\d+)?) fps (\d{1,5}x\d{1,5})\s*", text)
    if match is None or not int(match[1]) or not float(match[2]):
        raise SettingsError(f"--plan reads '12 cameras 30 fps 256x1600', not {text!r}")
    return CameraPlan(int(match[1]), float(match[2]), match[3])


def fit(plan: CameraPlan, capacity_fps: float) -> CapacityFit:
    """How the plan fits machines of capacity_fps each, loaded to LOAD_MAX; machines is None where no camera fits."""
    cameras_max = int(LOAD_MAX * capacity_fps / plan.rate_fps)
    machines = math.ceil(plan.cameras / cameras_max) if cameras_max else None
    return CapacityFit(cameras_max, machines, plan.fps / capacity_fps)
