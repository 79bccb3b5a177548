"""Capacity derived from measured costs: the limits of the machine, and the bottleneck."""

from dataclasses import asdict, dataclass

_STEPS = {
    "consume_s": "reading from Kafka",
    "decode_s": "decoding",
    "inference_s": "inference",
    "publish_s": "publishing",
    "broker_s": "the broker on this machine",
}


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


def bottleneck(limits: CapacityLimits, costs: FrameCosts) -> str:
    """Name the bottleneck for a sentence. If the CPU as a whole is, name the step that takes most of it."""
    name, _ = limits.binding
    if name == "inference":
        return name
    if name == "intake and decode":
        return "decoding" if costs.decode_s >= costs.consume_s else "reading from Kafka"
    spent = {step: seconds or 0.0 for step, seconds in asdict(costs).items()}
    most = max(spent, key=spent.__getitem__)
    return f"the CPU, of which {_STEPS[most]} takes {spent[most] / costs.frame_s:.0%}"
