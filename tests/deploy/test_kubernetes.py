"""The manifests agree with each other and with the worker. Their schemas: `python -m tests.deploy.schemas`."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml

from stripwatch.worker.commands.topics import topics
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.monitoring.worker_scrape import PROBE_S_MAX, SCRAPE_S_MAX
from tests.deploy.dockerfile import read_image

DEPLOY = Path(__file__).parents[2] / "deploy"
BASE = DEPLOY / "kubernetes" / "base"


def manifest(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((BASE / f"{name}.yaml").read_text())
    return found


POD: dict[str, Any] = manifest("deployment")["spec"]["template"]
CONTAINER: dict[str, Any] = POD["spec"]["containers"][0]
LABELS: dict[str, str] = POD["metadata"]["labels"]
TRIGGER: dict[str, Any] = manifest("scaled-object")["spec"]["triggers"][0]["metadata"]


@pytest.fixture
def settings() -> Settings:
    return load_settings(BASE / "worker.toml", {})


def test_kustomize_has_every_file() -> None:
    kustomization = manifest("kustomization")
    named = {*kustomization["resources"], *kustomization["configMapGenerator"][0]["files"], "kustomization.yaml"}
    assert named == {path.name for path in BASE.iterdir()}


@pytest.mark.parametrize(
    "selector",
    [
        manifest("deployment")["spec"]["selector"],
        manifest("disruption-budget")["spec"]["selector"],
        manifest("pod-monitor")["spec"]["selector"],
        manifest("network-policy")["spec"]["podSelector"],
        POD["spec"]["topologySpreadConstraints"][0]["labelSelector"],
    ],
)
def test_a_selector_finds_the_pods(selector: dict[str, dict[str, str]]) -> None:
    assert selector["matchLabels"].items() <= LABELS.items()


def test_the_metrics_have_the_labels_that_rules_and_boards_ask_for() -> None:
    monitor = manifest("pod-monitor")["spec"]
    (job,) = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    static = {rule["target_label"] for rule in job["relabel_configs"]}
    assert set(monitor["podTargetLabels"]) == static <= set(LABELS)
    assert LABELS[monitor["jobLabel"]] == job["job_name"]


def test_ports_and_probes_are_those_of_the_worker(settings: Settings) -> None:
    (port,) = CONTAINER["ports"]
    assert port["containerPort"] == settings.metrics.port
    assert settings.metrics.host == "0.0.0.0"
    assert CONTAINER["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port["name"]}
    assert CONTAINER["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": port["name"]}
    assert manifest("pod-monitor")["spec"]["podMetricsEndpoints"][0]["port"] == port["name"]
    assert manifest("network-policy")["spec"]["ingress"][0]["ports"][0]["port"] == port["name"]


def test_a_supervisor_answers_long_before_a_scrape_or_a_probe_gives_up() -> None:
    """Also when processes of its pod hang."""
    (endpoint,) = manifest("pod-monitor")["spec"]["podMetricsEndpoints"]
    assert float(endpoint["scrapeTimeout"].removesuffix("s")) > 2 * SCRAPE_S_MAX
    assert CONTAINER["readinessProbe"]["timeoutSeconds"] > 2 * PROBE_S_MAX
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["global"]
    assert float(prometheus.get("scrape_timeout", prometheus["scrape_interval"]).removesuffix("s")) > 2 * SCRAPE_S_MAX


def test_a_pod_has_longer_to_stop_than_it_takes(settings: Settings) -> None:
    assert POD["spec"]["terminationGracePeriodSeconds"] > settings.drain_s_max + 30


def test_the_pod_may_do_only_what_it_must() -> None:
    user = POD["spec"]["securityContext"]
    image = read_image(DEPLOY / "worker.Dockerfile", "cpu")
    assert f"{user['runAsUser']}:{user['runAsGroup']}" == image.user
    assert user["runAsNonRoot"]
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"]
    assert CONTAINER["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not CONTAINER["securityContext"]["allowPrivilegeEscalation"]
    assert not POD["spec"]["automountServiceAccountToken"]
    assert not POD["spec"]["enableServiceLinks"], "the worker refuses variables that it does not know"


def test_settings_and_bundle_are_where_they_are_mounted(settings: Settings) -> None:
    mounts = {mount["mountPath"]: mount for mount in CONTAINER["volumeMounts"]}
    assert set(mounts) == {"/etc/stripwatch", "/bundles", "/tmp"}
    assert CONTAINER["args"] == ["run", "--config", "/etc/stripwatch/worker.toml"]
    assert settings.bundle is not None
    assert str(settings.bundle.parent) == "/bundles"
    assert {mount["name"] for mount in mounts.values()} == {volume["name"] for volume in POD["spec"]["volumes"]}


def test_the_scaler_watches_the_group_of_the_worker(settings: Settings) -> None:
    spec = manifest("scaled-object")["spec"]
    assert TRIGGER["consumerGroup"] == settings.group_id
    assert TRIGGER["topic"] == settings.topics.frames
    assert TRIGGER["bootstrapServers"] == settings.bootstrap_servers
    assert TRIGGER["offsetResetPolicy"] == settings.start_at
    assert spec["scaleTargetRef"]["name"] == manifest("deployment")["metadata"]["name"]
    assert "replicas" not in manifest("deployment")["spec"], "two would write it"
    assert spec["minReplicaCount"] >= 1


def test_the_scaler_speaks_a_protocol_that_every_supported_kafka_understands() -> None:
    version = TRIGGER["version"]
    assert isinstance(version, str), "KEDA takes text; YAML would read 2.1 as a number"
    oldest, newest = (2, 1, 0), (3, 9, 0)  # of Kafka 4 (KIP-896); of the oldest broker that this project is tested with
    assert oldest <= tuple(map(int, version.split("."))) <= newest


def test_the_scaler_leaves_no_frame_without_a_worker() -> None:
    assert all(isinstance(value, str) for value in TRIGGER.values()), "KEDA takes text alone"
    assert int(TRIGGER["lagThreshold"]) > 0
    defaults_kept = {
        "activationLagThreshold",
        "allowIdleConsumers",
        "excludePersistentLag",
        "limitToPartitionsWithLag",
        "partitionLimitation",
        "scaleToZeroOnInvalidOffset",
    }
    assert not defaults_kept & TRIGGER.keys()
    assert "idleReplicaCount" not in manifest("scaled-object")["spec"]


def test_there_are_no_more_workers_than_partitions() -> None:
    partitions = inspect.signature(topics).parameters["partitions"].default
    assert manifest("scaled-object")["spec"]["maxReplicaCount"] <= partitions
