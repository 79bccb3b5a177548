"""From a plan of cameras and a measured capacity to machines, partitions, and one sentence that can be forwarded."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median_low
from typing import Any

from kafka.partitioner.default import murmur2

from stripwatch.worker.contracts.line.camera_plan import LOAD_MAX, CameraPlan, parse_camera_plan


@dataclass(frozen=True, slots=True)
class CapacityFit:
    """The result of fitting a plan to machines of a measured capacity.

    cameras_max: number of such cameras per machine. machines: number needed for the whole plan, or None if not even one
    camera fits. load: the plan's rate as a share of the capacity of one machine.
    """

    cameras_max: int
    machines: int | None
    load: float


@dataclass(frozen=True, slots=True)
class KeySpread:
    """How a hash of the camera ids fills a number of partitions. most: cameras in the fullest partition."""

    partitions: int
    filled: int
    most: int


def parse_plan(text: str) -> CameraPlan:
    """Parse the option --plan. Raises what parse_camera_plan raises."""
    return parse_camera_plan(text, "--plan")


def fit(plan: CameraPlan, capacity_fps: float) -> CapacityFit:
    """Calculate how a plan fits machines of `capacity_fps` each, loaded up to LOAD_MAX."""
    cameras_max = int(LOAD_MAX * capacity_fps / plan.rate_fps)
    machines = math.ceil(plan.cameras / cameras_max) if cameras_max else None
    return CapacityFit(cameras_max, machines, plan.fps / capacity_fps)


def spread(camera_ids: Sequence[str], partitions: int) -> KeySpread:
    """Return how the partitioner of kafka-python and of the Java client distributes cameras that are only a key."""
    counts = Counter((murmur2(camera.encode()) & 0x7FFFFFFF) % partitions for camera in camera_ids)
    return KeySpread(partitions, len(counts), max(counts.values()))


def best_spread(camera_ids: Sequence[str]) -> KeySpread:
    """Return the best number of partitions up to twice the number of cameras: even first, then small."""
    numbers = range(len(camera_ids), 2 * len(camera_ids) + 1)
    return min((spread(camera_ids, number) for number in numbers), key=lambda s: (s.most, -s.filled, s.partitions))


@dataclass(frozen=True, slots=True)
class PlanAnswer:
    """The answer to a plan.

    runs: frames per second of each repetition. cores: of this machine. bottleneck: such as "decoding". camera_ids: ids
    from which a sender that states no partition computes it.
    """

    plan: CameraPlan
    runs: Sequence[float]
    cores: int
    bottleneck: str
    camera_ids: Sequence[str]

    @property
    def capacity_fps(self) -> float:
        """The median repetition; of an even number, the slower one of the two in the middle."""
        return median_low(self.runs)

    @property
    def uncertainty(self) -> float | None:
        """The largest deviation of a repetition from the median, as a share; None if there was only one."""
        if len(self.runs) < 2:
            return None
        return max(abs(run - self.capacity_fps) for run in self.runs) / self.capacity_fps

    @property
    def fit(self) -> CapacityFit:
        return fit(self.plan, self.capacity_fps)

    def sentence(self) -> str:
        """Return the answer as one sentence."""
        plan, machines = self.plan, self.fit.machines
        what = f"{plan.cameras} camera{_s(plan.cameras)} at {plan.rate_fps:g} frames/s ({plan.shape} px)"
        each = f"{self.cores} core{_s(self.cores)} each"
        if machines is None:
            one = f"one of them needs {plan.rate_fps:g} of at most {LOAD_MAX * self.capacity_fps:.1f} frames/s"
            needs = f"{'does' if plan.cameras == 1 else 'do'} not fit on machines like this one ({each}), because {one}"
            return f"{what} {needs}; the bottleneck is {self.bottleneck}; {self._measured()}."
        needs = f"need{'s' if plan.cameras == 1 else ''} {machines} machine{_s(machines)} like this one ({each})"
        partitions = f"{plan.cameras} partition{_s(plan.cameras)}"
        return f"{what} {needs}, {partitions}; the bottleneck is {self.bottleneck}; {self._measured()}."

    def _measured(self) -> str:
        if self.uncertainty is None:
            return "measured once, so the uncertainty is unknown (--runs 5 measures it)"
        text = f"measured +-{100 * self.uncertainty:.0f} % over {len(self.runs)} repetitions"
        slow, fast = (fit(self.plan, speed(self.runs)).machines for speed in (min, max))
        if slow == fast:
            return text
        if slow is None:
            return f"{text}; by the slowest, such a machine is too slow for one camera, so measure again (--runs 5)"
        return f"{text}, so between {fast} and {slow} machines"

    def facts(self) -> dict[str, str]:
        """Return the rows of the table."""
        fitted, keyed, plain = self.fit, best_spread(self.camera_ids), spread(self.camera_ids, self.plan.cameras)
        by_key = f"{keyed.partitions}: {keyed.filled} hold a camera, none more than {keyed.most}"
        if plain != keyed:
            by_key += f" (with {plain.partitions}: {plain.filled}, {plain.most})"
        ids = self.camera_ids
        return {
            "capacity of this machine": f"{self.capacity_fps:.0f} frames/s",
            "used up to": f"{LOAD_MAX:.0%}: {LOAD_MAX * self.capacity_fps:.0f} frames/s",
            "cameras per machine": str(fitted.cameras_max),
            "machines": "none is fast enough" if fitted.machines is None else str(fitted.machines),
            "partitions, stated by the sender": f"{self.plan.cameras}: one per camera",
            f"partitions, chosen by the hash of {ids[0]} ... {ids[-1]}": by_key,
        }

    def summary(self) -> dict[str, Any]:
        """Return the JSON object of the plan."""
        uncertainty = self.uncertainty
        return {
            "answer": self.sentence(),
            **asdict(self.plan),
            **asdict(self.fit),
            "load_max": LOAD_MAX,
            "cores_per_machine": self.cores,
            "bottleneck": self.bottleneck,
            "uncertainty": None if uncertainty is None else round(uncertainty, 3),
            "partitions": self.plan.cameras,
            "partitions_by_key": asdict(best_spread(self.camera_ids)),
        }


def _s(count: int) -> str:
    return "" if count == 1 else "s"
