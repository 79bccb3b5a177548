"""The stages without a broker: a publisher that keeps events, and a source of frames."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry

from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.images.image_statistics import CameraSampler
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.loading.open_model import open_model
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.inspect.deadline import NO_DEADLINE, Deadline
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.inspect.pipeline import Pipeline
from stripwatch.worker.pipeline.inspect.publish_stage import OutgoingFrame, Publisher
from tests.frames import make_frame

FRAMES = Partition("frames", 0)


class Collector:
    """A publisher that settles frames at once, or keeps them for later."""

    def __init__(self, hold: bool = False) -> None:
        self.events: list[Result | Reject] = []
        self.held: list[OutgoingFrame] = []
        self._hold = hold

    def publish(self, outgoing: OutgoingFrame) -> None:
        self.events.append(outgoing.event)
        if self._hold:
            self.held.append(outgoing)
        else:
            outgoing.settle()

    def flush(self, timeout_s: float) -> None:
        pass


SETTINGS = load_settings(None, {"decode_threads": 2, "provider": "cpu", "inference_threads": 1, "batch_frames_max": 4})


def opened(path: Path) -> LoadedModel:
    return open_model(read_bundle(path), SETTINGS)


@dataclass
class Parts:
    """Everything that a pipeline needs around it. Its partition is assigned."""

    publisher: Publisher
    deadline: Deadline = NO_DEADLINE
    tracker: OffsetTracker = field(default_factory=OffsetTracker)
    limiter: InFlightLimiter = field(default_factory=lambda: InFlightLimiter(10_000, 10**9))
    metrics: Metrics = field(default_factory=lambda: Metrics(CollectorRegistry()))

    def __post_init__(self) -> None:
        self.tracker.assign([FRAMES])

    def pipeline(
        self,
        model: LoadedModel,
        observer: FrameObserver | None = None,
        sampler: CameraSampler | None = None,
        **settings: int,
    ) -> Pipeline:
        around = (self.publisher, self.tracker, self.limiter, self.metrics, self.deadline)
        return Pipeline(SETTINGS.model_copy(update=settings), model, *around, sampler, observer)


def feed(
    pipeline: Pipeline,
    parts: Parts,
    encoded: list[bytes],
    captured_ms: Sequence[int] = (),
    first: int = 0,
) -> None:
    for offset, content in enumerate(encoded, first):
        frame = make_frame(offset, content, **({"captured_ms": captured_ms[offset]} if captured_ms else {}))
        assert parts.tracker.register(frame.position)
        parts.limiter.acquire(len(frame.encoded))
        pipeline.take(frame)
