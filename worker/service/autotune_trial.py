"""One process of a layout that is tried, without Kafka.

    python -m stripwatch.worker.service.autotune_trial SETTINGS SECONDS

It repeats the golden frames of its bundle through the worker's pipeline: decode, batch, inference, event. It prints
`ready`, waits for a line on stdin, so that all processes of a layout run at the same time, and prints the number of
frames it has inspected.
"""

import itertools
import json
import sys
import time

from prometheus_client import CollectorRegistry

from stripwatch.worker.common.log_setup import set_up_logs
from stripwatch.worker.common.process.malloc import tune_malloc
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.frame import read_record
from stripwatch.worker.contracts.positions import Partition, Position, Record
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.loading.open_model import load_model
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.inspect.pipeline import Pipeline
from stripwatch.worker.pipeline.inspect.publish_stage import OutgoingFrame

READY = "ready"
_TOPIC = "trial"
_ROOM_S = 0.1
_IN_FLIGHT_FRAMES_MAX, _IN_FLIGHT_BYTES_MAX = (
    32,
    64_000_000,
)  # small, because these frames are finished before the trial ends


class NoPublisher:
    """A publisher that settles frames at once."""

    def publish(self, outgoing: OutgoingFrame) -> None:
        outgoing.settle()

    def flush(self, timeout_s: float) -> None:
        """Do nothing, because no frame is waiting."""


def run_trial(settings: Settings, model: LoadedModel, seconds: float) -> int:
    """Return how many frames the pipeline settles in this time, always with more frames waiting than a batch takes."""
    tracker = OffsetTracker()
    limiter = InFlightLimiter(_IN_FLIGHT_FRAMES_MAX, _IN_FLIGHT_BYTES_MAX)
    tracker.assign([Partition(_TOPIC, 0)])
    pipeline = Pipeline(settings, model, NoPublisher(), tracker, limiter, Metrics(CollectorRegistry()))
    golden = [frame.encoded for frame in model.session.bundle.manifest.golden]
    pipeline.start()
    ends_s = time.monotonic() + seconds
    for number in itertools.count():
        while limiter.wait_for_room(_ROOM_S) == 0 and time.monotonic() < ends_s:
            pipeline.raise_failure()
        if time.monotonic() >= ends_s:
            break
        record = Record(Position(_TOPIC, 0, number), 0, None, golden[number % len(golden)], [])
        frame = read_record(record, "", time.monotonic())
        limiter.acquire(len(frame.encoded))
        tracker.register(frame.position)
        pipeline.take(frame)
    frames = pipeline.frames_settled
    pipeline.drain(settings.drain_s_max)
    pipeline.raise_failure()
    return frames


def main(arguments: list[str]) -> None:
    set_up_logs("json", "warning")  # stdout is for the protocol
    tune_malloc()
    given, seconds = json.loads(arguments[0]), float(arguments[1])
    settings = load_settings(None, given)
    model = load_model(settings)
    print(READY, flush=True)
    sys.stdin.readline()
    print(run_trial(settings, model, seconds), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
