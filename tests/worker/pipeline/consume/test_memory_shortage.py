"""Short of memory: wait, try again, and end with an error that says what to do."""

import pytest
from prometheus_client import CollectorRegistry

from stripwatch.worker.common.errors import MemoryShortageError
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.memory_shortage import with_patience


def failing(times: int, failures: list[int]) -> str:
    if len(failures) < times:
        failures.append(len(failures))
        raise MemoryError
    return "done"


def test_it_waits_for_memory() -> None:
    pauses: list[float] = []
    metrics = Metrics(CollectorRegistry())
    failures: list[int] = []
    assert with_patience(lambda: failing(2, failures), "a test", metrics.memory_shortages, pauses.append) == "done"
    assert len(pauses) == metrics.registry.get_sample_value("stripwatch_memory_shortages_total") == 2


def test_it_does_not_wait_without_end() -> None:
    pauses: list[float] = []
    with pytest.raises(MemoryShortageError, match=r"not enough memory for a test; no frame was lost\. Lower inflight"):
        with_patience(lambda: failing(99, []), "a test", sleep=pauses.append)
    assert len(pauses) == 4
