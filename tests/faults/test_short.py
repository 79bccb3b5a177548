"""The command on Apache Kafka with one short seed; `python -m tests.faults` is the long run.

It runs in a separate process, because kafka-python 3.0.12 leaves the socket of a refused connection to the garbage
collector, and the resulting warning would fail the test.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.brokers.apache import KafkaUnavailableError, fetch_jars, find_tool
from tests.brokers.plugin import absence_is_a_skip
from tests.faults.judge import DELIVERIES

pytestmark = [pytest.mark.kafka, pytest.mark.long]
FRAMES = 300
SEED = 14  # three workers, one of them with two processes
FAULTS = ("kill -9 a worker", "lose the answers, then cut", "replace it by a bad one")
SILENT_S_MAX = 60.0  # tests run on a busy machine, so only the long run checks for silences
RUN_S_MAX = 400


@pytest.fixture(scope="module", autouse=True)
def kafka() -> None:
    """Skip the test if Apache Kafka is not available."""
    with absence_is_a_skip(KafkaUnavailableError):
        find_tool("java")
        fetch_jars()


def test_guarantees_hold_under_faults(tmp_path: Path) -> None:
    out = tmp_path / "out"
    options: list[str] = ["--seeds", "1", "--first", str(SEED), "--frames", str(FRAMES), "--out", str(out)]
    options += ["--beyond-s-max", str(SILENT_S_MAX), *(part for fault in FAULTS for part in ("--fault", fault))]
    command = [sys.executable, "-m", "tests.faults", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_S_MAX)
    logs = "\n".join(f"{path}: {path.read_text()[-2000:]}" for path in sorted(out.rglob("*.log")))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{logs}"
    totals = json.loads(done.stdout.splitlines()[-1])["deliveries"]
    for delivery in DELIVERIES:
        total = totals[delivery]
        assert total["frames"] > FRAMES  # extra frames are sent in addition to the plan
        assert (total["lost"], total["out_of_order"], total["broken"]) == (0, 0, {})
        assert total["faults"] >= 2, done.stderr
    assert totals["exactly-once"]["repeated"] == 0
