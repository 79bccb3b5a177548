"""The command itself on Apache Kafka, with one short seed. The long run is `python -m tests.faults`.

In a process of its own: kafka-python 3.0.12 leaves the socket of a refused connection to the garbage collector, whose
warning would be an error here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.brokers.apache import KafkaAbsent, fetch_jars, find_tool

pytestmark = pytest.mark.kafka
FRAMES = 300
SEED = 17  # three workers; answers are lost, the broker is stopped, a worker is killed
RUN_S_MAX = 300


@pytest.fixture(scope="module", autouse=True)
def kafka() -> None:
    """Is there one to be had?"""
    try:
        find_tool("java")
        fetch_jars()
    except KafkaAbsent as absent:
        if os.environ.get("CI") == "true":
            pytest.fail(f"with CI=true Apache Kafka must be there: {absent}", pytrace=False)
        pytest.skip(str(absent))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.faults", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=RUN_S_MAX)


@pytest.mark.parametrize("delivery", ["at-least-once"])
def test_promises_hold_under_faults(delivery: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--seeds", "1", "--first", str(SEED), "--frames", str(FRAMES), "--delivery", delivery)
    done = run(*options, "--out", str(out))
    logs = "\n".join(f"{path}: {path.read_text()[-2000:]}" for path in sorted(out.rglob("*.log")))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{logs}"
    total = json.loads(done.stdout.splitlines()[-1])["deliveries"][delivery]
    assert (total["frames"], total["lost"], total["out_of_order"], total["broken"]) == (FRAMES, 0, 0, {})
    assert total["faults"] >= 2, done.stderr
