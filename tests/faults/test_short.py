"""The harness itself, on Apache Kafka: two seeds of some hundred frames. The long run is `python -m tests.faults`."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers.apache import KafkaAbsent
from tests.faults.history import read_frames, read_outcomes
from tests.faults.judge import Delivery
from tests.faults.kafka import Kafka, proxied_kafka
from tests.faults.plan import WORKERS_MAX, Fault, make_plan
from tests.faults.report import summary, table
from tests.faults.run import run_seed

pytestmark = pytest.mark.kafka
FRAMES = 400
# Four faults each: among them a bad model, lost answers, a worker and the broker killed.
SEEDS: list[tuple[Delivery, int]] = [("at-least-once", 14)]


@pytest.fixture(scope="module")
def kafka() -> Iterator[Kafka]:
    """Its own, since it is stopped and killed."""
    try:
        with proxied_kafka(WORKERS_MAX) as running:
            yield running
    except KafkaAbsent as absent:
        if os.environ.get("CI") == "true":
            pytest.fail(f"with CI=true Apache Kafka must be there: {absent}", pytrace=False)
        pytest.skip(str(absent))


@pytest.mark.parametrize(("delivery", "seed"), SEEDS)
def test_promises_hold_under_faults(kafka: Kafka, delivery: Delivery, seed: int, tmp_path: Path) -> None:
    verdict = run_seed(kafka, seed, FRAMES, delivery, tmp_path / "seed")
    logs = "\n".join(path.read_text()[-3000:] for path in sorted((tmp_path / "seed").glob("*.log")))
    assert verdict.broken == [], f"{verdict}\n{logs}"
    assert verdict.strikes >= 3
    assert summary([verdict])["kept"] is True
    assert f"| {delivery} | 1 | {FRAMES} |" in table([verdict])
