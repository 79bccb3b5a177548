"""Several workers at one address."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from stripwatch.worker.config.sections import MetricsSettings
from stripwatch.worker.monitoring.health import HealthServer
from stripwatch.worker.monitoring.metrics import Metrics, connections_closed
from stripwatch.worker.monitoring.worker_scrape import MultiprocessMetrics, all_ready


@pytest.fixture
def workers() -> Iterator[list[HealthServer]]:
    """Two that answer, each with a GPU; the second is not ready; the first has done 3 results, the second 4."""
    servers = []
    for device_id, done, ready in ((0, 3, True), (1, 4, False)):
        metrics = Metrics(CollectorRegistry())
        metrics.show_device("CUDAExecutionProvider", device_id)
        metrics.results.labels("clean").inc(done)
        servers.append(HealthServer(MetricsSettings(port=0), metrics.registry, lambda ready=ready: {"it": ready}))  # type: ignore[misc]
    yield servers
    for server in servers:
        server.close()


def test_each_sample_names_its_process(workers: list[HealthServer]) -> None:
    registry = CollectorRegistry()
    registry.register(MultiprocessMetrics([server.port for server in workers]))
    text = generate_latest(registry).decode()
    results = {
        sample.labels["process"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "stripwatch_results_total" and sample.labels["verdict"] == "clean"
    }
    assert results == {"0": 3, "1": 4}
    assert text.count("# TYPE stripwatch_results_total counter") == 1


def test_the_connections_that_the_supervisor_closed_are_one_family_with_its_workers(
    workers: list[HealthServer],
) -> None:
    closed, registry = connections_closed(None), CollectorRegistry()
    closed.labels("too_many").inc(3)
    registry.register(MultiprocessMetrics([server.port for server in workers], closed))
    name = "stripwatch_health_connections_closed_total"
    assert registry.get_sample_value(name, {"reason": "too_many"}) == 3
    assert registry.get_sample_value(name, {"reason": "too_many", "process": "1"}) == 0
    assert generate_latest(registry).decode().count(f"# TYPE {name} counter") == 1
    again = generate_latest(registry).decode()
    assert again.count(f'{name}{{process="0",reason="timeout"}}') == 1, "a scrape leaves nothing behind"


def test_the_gpu_of_each_process_shows(workers: list[HealthServer]) -> None:
    registry = CollectorRegistry()
    registry.register(MultiprocessMetrics([server.port for server in workers]))
    for number in ("0", "1"):
        labels = {"provider": "CUDAExecutionProvider", "device_id": number, "process": number}
        assert registry.get_sample_value("stripwatch_device_info", labels) == 1


def test_all_are_asked_whether_they_are_ready(workers: list[HealthServer]) -> None:
    assert all_ready([server.port for server in workers]) == {"process_0": True, "process_1": False}


def test_one_that_does_not_answer_is_not_ready_and_hides_no_other(workers: list[HealthServer]) -> None:
    registry = CollectorRegistry()
    registry.register(MultiprocessMetrics([1, workers[0].port]))
    assert 'stripwatch_results_total{process="1",verdict="clean"} 3.0' in generate_latest(registry).decode()
    assert all_ready([1]) == {"process_0": False}
