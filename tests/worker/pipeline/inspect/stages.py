"""The stages without a broker, for tests: a publisher that keeps events, and frames that go in."""

from collections.abc import Callable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.model.bundle import read_bundle
from stripwatch.worker.model.loaded_model import LoadedModel, open_model
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.inspect.deadline import NO_DEADLINE, Deadline
from stripwatch.worker.pipeline.inspect.pipeline import Pipeline, PipelineDependencies, Publisher, build_dependencies
from tests.frames import make_frame

FRAMES = Partition("frames", 0)


class Collector:
    """A publisher that settles at once, or keeps the settlements for later."""

    def __init__(self, hold: bool = False) -> None:
        self.events: list[Result | Reject] = []
        self.held: list[Callable[[], None]] = []
        self._hold = hold

    def publish(self, event: Result | Reject, frame: Frame, settle: Callable[[], None]) -> None:
        self.events.append(event)
        if self._hold:
            self.held.append(settle)
        else:
            settle()

    def flush(self, timeout_s: float) -> None:
        pass


SETTINGS = load_settings(None, {"decode_threads": 2, "provider": "cpu", "inference_threads": 1, "batch_frames_max": 4})


def opened(path: Path) -> LoadedModel:
    return open_model(read_bundle(path), SETTINGS)


def parts_with(publisher: Publisher, deadline: Deadline = NO_DEADLINE) -> PipelineDependencies:
    metrics = Metrics(CollectorRegistry())
    parts = build_dependencies(SETTINGS, metrics, publisher, InFlightLimiter(10_000, 10**9), deadline)
    parts.tracker.assign([FRAMES])
    return parts


def feed(
    pipeline: Pipeline,
    parts: PipelineDependencies,
    encoded: list[bytes],
    captured_ms: Sequence[int] = (),
    first: int = 0,
) -> None:
    for offset, content in enumerate(encoded, first):
        frame = make_frame(offset, content, **({"captured_ms": captured_ms[offset]} if captured_ms else {}))
        assert parts.tracker.register(frame.position)
        parts.limiter.acquire(len(frame.encoded))
        pipeline.take(frame)
