"""Information that the harness reads from a worker's metrics."""

from prometheus_client import CollectorRegistry, generate_latest

from stripwatch.worker.monitoring.metrics import Metrics
from tests.faults.crew import owners


def test_reads_the_partitions_of_a_worker_from_its_lag_metric() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for partition in (0, 2):
        metrics.lag_frames.labels(str(partition)).set(7)
    text = generate_latest(registry).decode()
    assert owners(text) == {0: 0, 2: 0}
    told_apart = text.replace('partition="2"', 'partition="2",process="1"')  # as a supervisor does
    assert owners(told_apart) == {0: 0, 2: 1}
