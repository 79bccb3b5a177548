"""A real Prometheus scrapes a health port with TLS, configured as in the comment of prometheus.yml."""

import shutil
from pathlib import Path

from prometheus_client import CollectorRegistry

from stripwatch.worker.config.sections import MetricsSettings
from stripwatch.worker.monitoring.health import HealthServer
from stripwatch.worker.monitoring.server_certificate import expiry_s
from tests.brokers.apache import KafkaUnavailableError
from tests.brokers.plugin import absence_is_a_skip
from tests.brokers.secure import make_certificates
from tests.deploy.prometheus import Target, running_prometheus, until

METRIC = "stripwatch_health_certificate_expiry_timestamp_seconds"


def test_prometheus_scrapes_a_port_with_tls(tmp_path: Path) -> None:
    with absence_is_a_skip(KafkaUnavailableError):
        make_certificates(tmp_path)
    for ours, theirs in (
        ("ca.pem", "plant-ca.pem"),
        ("client.pem", "prometheus.pem"),
        ("client.key", "prometheus.key"),
    ):
        shutil.copy(tmp_path / ours, tmp_path / theirs)
    certificate, authority = tmp_path / "broker.pem", tmp_path / "ca.pem"
    settings = MetricsSettings(port=0, certificate_file=certificate, client_ca_file=authority)
    server = HealthServer(settings, CollectorRegistry(), dict)
    try:
        with running_prometheus(tmp_path, over_tls=True) as prometheus:
            prometheus.watch({"worker": Target(server.port)})
            until(lambda: prometheus.query(f"{METRIC} and on (instance) up == 1") != [], "the port is read")
            ((sample),) = prometheus.query(METRIC)
    finally:
        server.close()
    assert float(sample["value"][1]) == expiry_s(certificate)
