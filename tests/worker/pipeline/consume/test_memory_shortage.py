"""On memory shortage the worker waits, retries, and ends with an error that says what to do."""

import pytest
from prometheus_client import CollectorRegistry

from stripwatch.worker.common.errors import MemoryShortageError
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.memory_shortage import retry_on_memory_error


def failing(times: int, failures: list[int]) -> str:
    if len(failures) < times:
        failures.append(len(failures))
        raise MemoryError
    return "done"


def test_retries_until_there_is_memory() -> None:
    pauses: list[float] = []
    metrics = Metrics(CollectorRegistry())
    failures: list[int] = []
    assert (
        retry_on_memory_error(lambda: failing(2, failures), "a test", metrics.memory_shortages, pauses.append) == "done"
    )
    assert len(pauses) == metrics.registry.get_sample_value("stripwatch_memory_shortages_total") == 2


def test_gives_up_after_the_last_retry() -> None:
    pauses: list[float] = []
    with pytest.raises(MemoryShortageError, match=r"out of memory: a test\. No frame was lost\. Lower inflight"):
        retry_on_memory_error(lambda: failing(99, []), "a test", sleep=pauses.append)
    assert len(pauses) == 4
