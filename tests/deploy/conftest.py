"""Fixtures of a monitored line: a broker, cameras, a worker, and a Prometheus that scrapes it."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stripwatch.worker.model.bundle import Threshold
from stripwatch.worker.model.reference import ClassScores, Reference, Spread
from tests.brokers.handle import BrokerHandle
from tests.deploy.cameras import Cameras, playing
from tests.deploy.prometheus import Prometheus, Target, running_prometheus
from tests.e2e.line import Line, WorkerProcess, running_worker
from tests.tiny import LABELS, tiny_contract, write_bundle

# Thresholds at which a frame between two classes is unsure; the shadow is also unsure about bright frames.
SETTINGS = {
    "thresholds.dark.sure": 0.9,
    "thresholds.grey.sure": 0.9,
    "bundle_check_s": 0.25,
    "shadow.share": 1,
    "drift.measure_ms": 0,
    "drift.measured_frames": 20,
    "drift.scored_frames": 50,
    "drift.silent_s": 2,
}
# A drift reference of grey frames with an occasional bright one, and of a model that is confident in all three classes.
REFERENCE = Reference(
    frames=100,
    brightness=Spread(129, 25),
    contrast=Spread(1.5, 1.5),
    sharpness=Spread(0.013, 0.013),
    answers=100,
    classes={label: ClassScores(share=float(label == "grey"), confidence=0.93, unsure=0) for label in LABELS},
)
SHADOW_THRESHOLDS = {"dark": Threshold(), "grey": Threshold(), "bright": Threshold(sure=0.999, unsure=0.5)}


@dataclass(frozen=True, slots=True)
class Watched:
    line: Line
    cameras: Cameras
    worker: WorkerProcess
    port: int
    prometheus: Prometheus
    bundle: Path
    began_s: float = field(default_factory=time.time)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle") / "tiny.onnx", tiny_contract(reference=REFERENCE))


@pytest.fixture(scope="session")
def watched(embedded_broker: BrokerHandle, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    own = Path(shutil.copy(bundle, folder / "own.onnx"))
    shadow = write_bundle(folder / "shadow.onnx", tiny_contract(version="2", thresholds=SHADOW_THRESHOLDS))
    line, cameras = Line.on(embedded_broker, partitions=2), Cameras({})
    line.topics["shadow"] = embedded_broker.new_topic(1)
    settings = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    with (
        running_prometheus(tmp_path_factory.mktemp("prometheus")) as prometheus,
        running_worker(line, own, "watched", *settings, "--set", f"shadow.bundle={shadow}") as worker,
    ):
        port = worker.await_ready()
        prometheus.watch({"worker": Target(port)})
        with playing(cameras, embedded_broker, line.topics["frames"]):
            yield Watched(line, cameras, worker, port, prometheus, own)
