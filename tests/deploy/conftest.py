"""One line that is watched: a broker, cameras, a worker, and a Prometheus that scrapes it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.brokers.handle import BrokerHandle
from tests.deploy.cameras import Cameras, playing
from tests.deploy.prometheus import Prometheus, Target, running_prometheus
from tests.e2e.line import Line, WorkerProcess, running_worker
from tests.tiny import write_bundle

# So strict that a frame between two classes is unsure.
STRICT = ("--set", "thresholds.dark.sure=0.9", "--set", "thresholds.grey.sure=0.9")


@dataclass(frozen=True, slots=True)
class Watched:
    line: Line
    cameras: Cameras
    worker: WorkerProcess
    port: int
    prometheus: Prometheus
    began_s: float = field(default_factory=time.time)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle") / "tiny.onnx")


@pytest.fixture(scope="session")
def watched(embedded_broker: BrokerHandle, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    line, cameras = Line.on(embedded_broker, partitions=2), Cameras({})
    with (
        running_prometheus(tmp_path_factory.mktemp("prometheus")) as prometheus,
        running_worker(line, bundle, "watched", *STRICT) as worker,
    ):
        port = worker.await_ready()
        prometheus.watch({"worker": Target(port)})
        with playing(cameras, embedded_broker, line.topics["frames"]):
            yield Watched(line, cameras, worker, port, prometheus)
