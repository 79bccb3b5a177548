"""Measure a worker's memory over model reloads: `python -m tests.benchmarks.swap_memory A.onnx B.onnx --swaps 51`.

It runs a worker's pipeline and model reloader without Kafka. Two bundles replace each other in turn, and the bundles'
golden frames are inspected between the reloads. The last line is JSON, with resident memory after the last reload as a
ratio of that after the first. The number of reloads is odd, so that the same model is in use at both times.
"""

import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import typer
from prometheus_client import CollectorRegistry

from stripwatch.worker.common.log_setup import set_up_logs
from stripwatch.worker.common.process.malloc import tune_malloc
from stripwatch.worker.common.process.usage import resident_mb
from stripwatch.worker.common.terminal.console import print_summary, say
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.loading.bundle_store import resolve_bundle
from stripwatch.worker.model.loading.open_model import open_model
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.inspect.model_reload import ModelReloader
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.inspect.pipeline import Pipeline
from stripwatch.worker.pipeline.inspect.publish_stage import OutgoingFrame
from tests.frames import make_frame
from tests.gpu.machine import gpu_memory_mb

BundleFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]
FRAMES_MAX = 64


class NoPublisher:
    """Publisher that acknowledges every event immediately."""

    def publish(self, outgoing: OutgoingFrame) -> None:
        outgoing.settle()

    def flush(self, timeout_s: float) -> None:
        pass


class Line(FrameObserver):
    """A worker without Kafka."""

    def __init__(self, path: Path, batch_frames_max: int, provider: str) -> None:
        settings = load_settings(None, {"provider": provider, "batch_frames_max": batch_frames_max})
        self._credits = InFlightLimiter(FRAMES_MAX, 10**9)
        self.metrics = Metrics(CollectorRegistry())
        self._tracker = OffsetTracker()
        self._tracker.assign([Partition("frames", 0)])
        self._settled = threading.Semaphore(0)
        self._offset = 0

        def load() -> LoadedModel:
            return open_model(read_bundle(path), settings)

        around = (NoPublisher(), self._tracker, self._credits, self.metrics)
        self.pipeline = Pipeline(settings, load(), *around, observer=self)
        self.watch = ModelReloader(
            lambda: resolve_bundle(path),
            lambda bundle, raise_if_cancelled: open_model(bundle, settings, raise_if_cancelled),
            self.pipeline.use_model,
            self.metrics.bundle_swaps,
            read_bundle(path).sha256,
        )
        self.pipeline.start()

    def on_delivered(self, event: Result | Reject, frame: Frame) -> None:
        self._settled.release()

    def run_frames(self, encoded: list[bytes], count: int) -> None:
        for number in range(count):
            self._credits.wait_for_room(60)
            frame = make_frame(self._offset, encoded[number % len(encoded)])
            self._offset += 1
            self._tracker.register(frame.position)
            self._credits.acquire(len(frame.encoded))
            self.pipeline.take(frame)
        for _ in range(count):
            self._settled.acquire()


def main(
    first: BundleFile,
    second: BundleFile,
    swaps: Annotated[int, typer.Option(min=3, help="Number of model reloads; must be odd.")] = 51,
    frames: Annotated[int, typer.Option(min=1, help="Frames between two reloads.")] = 200,
    batch_frames_max: Annotated[int, typer.Option(min=1, help="The worker's setting batch_frames_max.")] = 16,
    provider: Annotated[str, typer.Option(help="cpu or cuda. With cuda, GPU memory is measured too.")] = "cpu",
) -> None:
    """Measure resident memory over many model reloads."""
    set_up_logs("auto", "warning")
    if swaps % 2 == 0:
        raise typer.BadParameter(
            "--swaps must be odd, so that the same model is in use after the first and the last reload"
        )
    tune_malloc()
    encoded = [golden.encoded for path in (first, second) for golden in read_bundle(path).manifest.golden]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(first, Path(folder, "model.onnx")))
        line = Line(path, batch_frames_max, provider)
        line.run_frames(encoded, frames)
        measured_mb, on_gpu_mb = [], []
        for number in range(swaps):
            shutil.copy(first if number % 2 else second, f"{path}.part")
            Path(f"{path}.part").replace(path)
            for _ in range(2):  # the first poll notices the file, the second loads it
                line.watch.poll()
            line.run_frames(encoded, frames)
            line.watch.poll()
            measured_mb.append(resident_mb(os.getpid()) or 0.0)
            on_gpu_mb.append(gpu_memory_mb() if provider != "cpu" else None)
            say(f"after reload {number + 1}: {measured_mb[-1]:.1f} MB")
        line.pipeline.drain(60)
    done = line.metrics.registry.get_sample_value("stripwatch_bundle_swaps_total", {"outcome": "swapped"})
    summary: dict[str, float | None] = {"swaps": int(done or 0), "first_mb": measured_mb[0], "last_mb": measured_mb[-1]}
    summary |= {"first_gpu_mb": on_gpu_mb[0], "last_gpu_mb": on_gpu_mb[-1]} if provider != "cpu" else {}
    print_summary({**summary, "max_mb": max(measured_mb), "ratio": round(measured_mb[-1] / measured_mb[0], 4)})


if __name__ == "__main__":
    typer.run(main)
