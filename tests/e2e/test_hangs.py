"""A model that hangs: the worker on Apache Kafka still exits in time, with an exit code."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from stripwatch.worker.common.errors import BundleError, HangError
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, metric, running_worker
from tests.e2e.records import frames
from tests.tiny import encode_frame, endless_model, write_bundle
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.long]
SOON = ("--set", "drain_s_max=1", "--set", "bundle_check_s=0.1")


@pytest.fixture
def line(apache_broker: BrokerHandle) -> Line:
    return Line.on(apache_broker)


@pytest.fixture
def group(line: Line) -> str:
    return line.broker.new_name("group")


def test_sigterm_ends_a_worker_whose_next_bundle_never_loads(
    line: Line, group: str, bundle: Path, tmp_path: Path
) -> None:
    running = Path(shutil.copy(bundle, tmp_path / "running.onnx"))
    with running_worker(line, running, group, *SOON) as worker:
        worker.await_ready()
        write_bundle(tmp_path / "endless.onnx", model=endless_model()).replace(running)
        worker.await_log("loading another bundle")
        sent = line.send(frames(30), key=b"a")
        wait_until(lambda: sum(line.committed(group).values()) == len(sent))
        assert worker.stop() == HangError.exit_code
        forced = next(entry for entry in worker.lines if entry["event"] == "ending by force")
    assert any("session.py" in place for place in forced["threads"]["model-reload"])


def test_sigterm_ends_a_worker_whose_model_hangs_on_a_frame(line: Line, group: str, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "endless.onnx", model=endless_model(mean_above=0.97))
    with running_worker(line, bundle, group, *SOON) as worker:
        port = worker.await_ready()
        sent = line.send(frames(30), key=b"a")
        wait_until(lambda: sum(line.committed(group).values()) == len(sent))
        line.send([encode_frame(1.0)], key=b"a")
        wait_until(lambda: metric(worker, port, "inflight_frames") == 1)
        assert worker.stop() == HangError.exit_code
    assert sum(line.committed(group).values()) == len(sent)


def test_sigterm_ends_a_worker_whose_first_bundle_never_loads(line: Line, group: str, tmp_path: Path) -> None:
    with running_worker(line, write_bundle(tmp_path / "e.onnx", model=endless_model()), group) as worker:
        worker.await_log("settings")
        assert worker.stop() == -signal.SIGTERM


def test_rejects_a_bundle_that_is_a_pipe(line: Line, group: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    with running_worker(line, tmp_path / "pipe.onnx", group) as worker:
        assert worker.process.wait(60) == BundleError.exit_code
