"""A short `stripwatch bench`: every figure is present, and the figures are consistent."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.brokers.handle import BrokerHandle
from tests.e2e.line import run_cli
from tests.tiny import write_frames


@pytest.mark.long
def test_bench_measures_the_worker_and_its_limits(bundle: Path, tmp_path: Path, embedded_broker: BrokerHandle) -> None:
    photos = tmp_path / os.fsdecode(b"photos\xff")  # file names with any bytes work in every step
    write_frames(photos, [number / 20 for number in range(20)])
    copy = shutil.copy(bundle, tmp_path / os.fsdecode(b"model\xff.onnx"))
    flags = ["--count", "3000", "--runs", "1", "--seconds", "1", "--load", "0.3", "--plan", "2 cameras 10 fps 200x200"]
    where = ["--frames", str(photos), "--broker", embedded_broker.bootstrap_servers]
    done = run_cli("bench", "--bundle", str(copy), *flags, *where)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["runs"] == [found["frames_per_second"]]
    costs = found["cpu_s_per_1000_frames"]
    assert costs.pop("broker") is None  # not a child of this process
    assert all(cost > 0 for cost in costs.values())
    alone_s = sum(cost for step, cost in costs.items() if step != "worker") / 1000
    assert found["limits"]["cpu"] == pytest.approx(found["cores"] / alone_s, rel=0.01)
    assert 0 < found["device_busy_share"] <= 1.05
    (paced,) = found["latency"]
    assert paced["frames"] > 0
    assert 0 < paced["latency_ms_p50"] <= paced["latency_ms_p95"] <= paced["latency_ms_p99"]
    assert found["plan"]["load"] == pytest.approx(20 / found["frames_per_second"], rel=0.01)
    assert found["plan"]["answer"] in done.stderr
    assert found["plan"]["machines"] == 1


def test_bench_gives_a_one_line_error_if_it_cannot_measure(bundle: Path, tmp_path: Path) -> None:
    for flags, word in ((["--load", "2"], "--load"), (["--plan", "x"], "--plan"), (["--frames", str(tmp_path)], "no")):
        done = run_cli("bench", "--bundle", str(bundle), *flags)
        assert done.returncode in (2, 6)
        assert done.stderr.startswith("error: ")
        assert word in done.stderr
