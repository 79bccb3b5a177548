"""Plan of a GPU run: the models, the steps by priority, and the time limit of each."""

from dataclasses import dataclass
from typing import Literal

Precision = Literal["fp32", "fp16", "int8"]
ProviderName = Literal["cuda", "cpu"]


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """A network that is fitted once, and its export precisions. side_px: height and width of its input."""

    name: str
    network: str
    alpha: float
    side_px: int
    precisions: tuple[Precision, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A step. kind: function in `tests.gpu.steps`. model: its bundle. seconds: its time limit."""

    kind: str
    model: str
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.kind} {self.model}"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Amounts to measure.

    bench_s: duration per batch size. per_process: frames per process of the worker. partitions: partitions of the
    frames topic, a multiple of every number of processes, so that all get equal shares.
    """

    batch_sizes: tuple[int, ...]
    bench_s: float
    flight_s: float
    processes: tuple[int, ...]
    partitions: int
    per_process: int
    step_frames: int
    swaps: int
    odd_batches: int


MODELS = (
    ModelPlan("efficientnetb0", "efficientnetb0", 1.0, 224, ("fp16", "int8")),
    ModelPlan("inceptionv3", "inceptionv3", 1.0, 299, ("fp16", "int8")),
    ModelPlan("mobilenet025", "mobilenet", 0.25, 224, ("fp32",)),
)
SIZES: dict[ProviderName, Sizes] = {
    "cuda": Sizes((1, 2, 4, 8, 16, 32, 64), 0.5, 2.0, (1, 2, 4, 8, 12), 24, 5000, 3000, 51, 600),
    "cpu": Sizes((1, 4), 0.2, 0.5, (1, 2), 4, 150, 100, 3, 30),
}
MAIN = "efficientnetb0-fp16"
OTHER = "mobilenet025-fp32"
# By priority: a short run leaves out the last steps.
STEPS = (
    Step("speed", MAIN, 40),
    Step("speed", "inceptionv3-fp16", 45),
    Step("decode", MAIN, 25),
    Step("worker", MAIN, 150),
    Step("speed", "efficientnetb0-int8", 40),
    Step("speed", "inceptionv3-int8", 45),
    Step("speed", OTHER, 35),
    Step("in_flight", MAIN, 25),
    Step("failed_provider", MAIN, 40),
    Step("batches", MAIN, 30),
    Step("swaps", MAIN, 90),
    Step("shadow", MAIN, 75),
    Step("in_flight", "inceptionv3-fp16", 30),
    Step("worker", OTHER, 110),
    Step("strips", MAIN, 60),
    Step("tensorrt", MAIN, 120),
)
