"""The health port: status codes, checks, and the error for a port in use."""

import json
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

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


def test_names_a_port_that_is_in_use(server: HealthServer) -> None:
    with pytest.raises(SettingsError, match=f"metrics.port = {server.port}"):
        HealthServer(MetricsSettings(port=server.port), CollectorRegistry(), lambda: CHECKS)
