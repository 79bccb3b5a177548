"""Silent cameras in a consumer group: each worker reports only the cameras of its partitions."""

import re
from pathlib import Path

import pytest

from tests.brokers.handle import BrokerHandle
from tests.deploy.cameras import GREY, Cameras, playing
from tests.deploy.prometheus import until
from tests.e2e.line import Line, WorkerProcess, fetch, running_worker

pytestmark = pytest.mark.long


def shown(port: int) -> dict[str, float]:
    """Return, for each camera that the worker knows, whether it is silent."""
    found = re.findall(r'camera_condition\{camera="(.+)",condition="silent"\} (.+)', fetch(port, "/metrics")[1])
    return {camera: float(value) for camera, value in found}


def called_silent(worker: WorkerProcess, since: int) -> list[str]:
    return [line["camera"] for line in worker.lines[since:] if line["event"] == "camera silent"]


def test_a_camera_that_moves_is_reported_silent_only_by_its_new_worker(
    embedded_broker: BrokerHandle, bundle: Path
) -> None:
    line, cameras = Line.on(embedded_broker, partitions=2), Cameras({"top-1": GREY, "top-2": GREY})
    settings = ("--set", "drift.silent_s=3")
    with running_worker(line, bundle, "g", *settings) as one:
        port = one.await_ready()
        with playing(cameras, line.broker, line.topics["frames"]):
            until(lambda: len(shown(port)) == 2, "it knows both cameras")
            with running_worker(line, bundle, "g", *settings) as two:
                other_port = two.await_ready()
                until(lambda: len(shown(port)) == len(shown(other_port)) == 1, "each knows its own")
                (kept,), (moved,) = shown(port), shown(other_port)
                assert kept != moved
                before = len(one.lines), len(two.lines)
                cameras.images = {}
                until(
                    lambda: shown(port) == {kept: 1} and shown(other_port) == {moved: 1},
                    "each reports its own as silent",
                )
                assert moved not in called_silent(one, before[0])
                assert kept not in called_silent(two, before[1])
                assert (one.stop(), two.stop()) == (0, 0)
