"""The health port: status codes, checks, and the error for a port in use."""

import json
from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.sections import MetricsSettings
from stripwatch.worker.monitoring.health import HealthServer
from tests.e2e.line import fetch

CHECKS = {"bundle_verified": True, "group_joined": False}


@pytest.fixture
def server() -> Iterator[HealthServer]:
    CHECKS["group_joined"] = False
    server = HealthServer(MetricsSettings(port=0), CollectorRegistry(), lambda: CHECKS)
    yield server
    server.close()


def test_is_ready_only_while_all_checks_pass(server: HealthServer) -> None:
    status, body = fetch(server.port, "/readyz")
    failing = {"group_joined": "the worker has not joined its consumer group, or a rebalance is in progress"}
    assert (status, json.loads(body)) == (503, {"ready": False, "failing": failing, "checks": CHECKS})
    CHECKS["group_joined"] = True
    assert fetch(server.port, "/readyz")[0] == 200


def test_reports_alive_and_lists_its_paths(server: HealthServer) -> None:
    assert fetch(server.port, "/healthz")[0] == 200
    status, body = fetch(server.port, "/")
    assert (status, "/readyz" in body) == (404, True)


def test_is_not_alive_while_the_main_loop_hangs() -> None:
    server = HealthServer(MetricsSettings(port=0), CollectorRegistry(), dict, is_alive=lambda: False)
    try:
        assert fetch(server.port, "/healthz")[0] == 503
    finally:
        server.close()


@pytest.mark.parametrize("query", ["", "?name[]=frames_total&name[]=frames_created"])
@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_exposes_no_series_of_the_time_at_which_a_counter_began(accept: str, query: str) -> None:
    registry = CollectorRegistry()
    Counter("frames", "Frames.", registry=registry).inc()
    Histogram("seconds", "Seconds.", registry=registry).observe(1)
    server = HealthServer(MetricsSettings(port=0), registry, dict)
    try:
        request = Request(f"http://127.0.0.1:{server.port}/metrics{query}", headers={"Accept": accept})
        with urlopen(request) as response:
            text = response.read().decode()
    finally:
        server.close()
    assert "frames_total 1.0" in text
    assert "_created" not in text


def test_names_a_port_that_is_in_use(server: HealthServer) -> None:
    with pytest.raises(SettingsError, match=f"metrics.port = {server.port}"):
        HealthServer(MetricsSettings(port=server.port), CollectorRegistry(), lambda: CHECKS)
