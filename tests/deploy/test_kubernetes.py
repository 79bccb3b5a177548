"""The manifests agree with each other and with the worker. Their schemas: `python -m tests.deploy.schemas`."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from markdown_it import MarkdownIt

from stripwatch.worker.cli import app
from stripwatch.worker.commands.topics import topics
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.sections import MetricsSettings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.dashboard.web.command import view
from stripwatch.worker.monitoring.worker_scrape import PROBE_S_MAX, SCRAPE_S_MAX
from tests.deploy.dockerfile import read_image

DEPLOY = Path(__file__).parents[2] / "deploy"
BASE = DEPLOY / "kubernetes" / "base"


def manifest(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((BASE / f"{name}.yaml").read_text())
    return found


def manifests(name: str) -> dict[str, dict[str, Any]]:
    """Return the manifests of a file by their kind."""
    return {one["kind"]: one for one in yaml.safe_load_all((BASE / f"{name}.yaml").read_text())}


POD: dict[str, Any] = manifest("deployment")["spec"]["template"]
CONTAINER: dict[str, Any] = POD["spec"]["containers"][0]
LABELS: dict[str, str] = POD["metadata"]["labels"]
BESIDE = {name: manifests(name) for name in ("coils", "view")}  # the workers
DEPLOYMENTS = {"worker": manifest("deployment")} | {name: kinds["Deployment"] for name, kinds in BESIDE.items()}
TRIGGER: dict[str, Any] = manifest("scaled-object")["spec"]["triggers"][0]["metadata"]


@pytest.fixture
def settings() -> Settings:
    return load_settings(BASE / "worker.toml", {})


def test_kustomization_lists_every_file() -> None:
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
def test_selectors_match_the_pods(selector: dict[str, dict[str, str]]) -> None:
    assert selector["matchLabels"].items() <= LABELS.items()


def test_metrics_have_the_labels_used_by_rules_and_boards() -> None:
    monitor = manifest("pod-monitor")["spec"]
    jobs = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    (job,) = (job for job in jobs if job["job_name"] == "stripwatch-worker")
    static = {rule["target_label"] for rule in job["relabel_configs"]}
    assert set(monitor["podTargetLabels"]) == static <= set(LABELS)
    assert LABELS[monitor["jobLabel"]] == job["job_name"]


def test_ports_and_probes_match_the_worker(settings: Settings) -> None:
    (port,) = CONTAINER["ports"]
    assert port["containerPort"] == settings.metrics.port
    assert settings.metrics.host == "0.0.0.0"
    assert CONTAINER["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port["name"]}
    assert CONTAINER["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": port["name"]}
    assert manifest("pod-monitor")["spec"]["podMetricsEndpoints"][0]["port"] == port["name"]
    assert manifest("network-policy")["spec"]["ingress"][0]["ports"][0]["port"] == port["name"]


def test_supervisor_answers_before_scrapes_and_probes_time_out() -> None:
    """It must do so even if processes of its pod hang."""
    (endpoint,) = manifest("pod-monitor")["spec"]["podMetricsEndpoints"]
    assert float(endpoint["scrapeTimeout"].removesuffix("s")) > 2 * SCRAPE_S_MAX
    assert CONTAINER["readinessProbe"]["timeoutSeconds"] > 2 * PROBE_S_MAX
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["global"]
    assert float(prometheus.get("scrape_timeout", prometheus["scrape_interval"]).removesuffix("s")) > 2 * SCRAPE_S_MAX


def test_pod_has_enough_time_to_stop(settings: Settings) -> None:
    assert POD["spec"]["terminationGracePeriodSeconds"] > settings.drain_s_max + 30


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_pods_have_minimal_privileges(name: str) -> None:
    pod = DEPLOYMENTS[name]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    user = pod["securityContext"]
    image = read_image(DEPLOY / "worker.Dockerfile", "cpu")
    assert f"{user['runAsUser']}:{user['runAsGroup']}" == image.user
    assert user["runAsNonRoot"]
    assert user["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert container["resources"].keys() == {"requests", "limits"}
    assert not pod["automountServiceAccountToken"]
    assert not pod["enableServiceLinks"], "the worker rejects unknown variables"


@pytest.mark.parametrize("name", BESIDE)
def test_other_pods_run_a_valid_command_with_the_workers_settings(name: str) -> None:
    pod = BESIDE[name]["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    command, *arguments = container["args"]
    assert (command, arguments[:2]) == (name, ["--config", "/etc/stripwatch/worker.toml"])
    group = typer.main.get_group(app)
    found = group.get_command(typer.Context(group), command)
    assert found is not None
    found.make_context(command, list(arguments))  # fails on an unknown option
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"settings": "/etc/stripwatch", "tmp": "/tmp"}
    assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
    assert {"name": "settings", "configMap": {"name": "stripwatch-worker"}} in pod["volumes"]


@pytest.mark.parametrize("name", BESIDE)
def test_other_deployments_have_one_replica_and_separate_pods(name: str) -> None:
    kinds = BESIDE[name]
    spec = kinds["Deployment"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["replicas"] == 1
    assert spec["selector"]["matchLabels"] == labels == kinds["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]
    assert labels.items().isdisjoint(LABELS.items())
    assert kinds["NetworkPolicy"]["spec"]["egress"] == manifest("network-policy")["spec"]["egress"]
    assert {one["metadata"]["name"] for one in kinds.values()} == {f"stripwatch-{name}"}


def test_two_summary_writers_never_run_at_the_same_time(settings: Settings) -> None:
    spec = BESIDE["coils"]["Deployment"]["spec"]
    assert spec["strategy"] == {"type": "Recreate"}
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > settings.send_s_max + 10


def test_coils_is_probed_and_scraped_at_its_port() -> None:
    kinds = BESIDE["coils"]
    (container,) = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    assert container["args"][-2:] == ["--metrics-port", str(port["containerPort"])]
    assert port["containerPort"] != MetricsSettings().port, "it may run on the same host as a worker"
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": port["name"]}
    monitor = kinds["PodMonitor"]["spec"]
    assert monitor["selector"] == kinds["Deployment"]["spec"]["selector"]
    assert monitor["podMetricsEndpoints"] == manifest("pod-monitor")["spec"]["podMetricsEndpoints"]
    assert kinds["NetworkPolicy"]["spec"]["ingress"] == manifest("network-policy")["spec"]["ingress"]


def test_live_page_is_probed_at_its_port_and_reached_by_its_service() -> None:
    kinds = BESIDE["view"]
    (container,) = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    assert port["containerPort"] == inspect.signature(view).parameters["port"].default
    assert container["args"][-2:] == ["--host", "0.0.0.0"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/", "port": port["name"]}
    service = kinds["Service"]["spec"]
    assert service["selector"] == kinds["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert service["ports"] == [{"name": "http", "port": 80, "targetPort": port["name"]}]
    assert kinds["NetworkPolicy"]["spec"]["ingress"][0]["ports"][0]["port"] == port["name"]


def test_only_the_worker_uses_the_gpu_image() -> None:
    overlay = yaml.safe_load((BASE.parent / "gpu" / "kustomization.yaml").read_text())
    assert "images" not in overlay, "this would also change the image of the live page"
    (patch,) = (yaml.safe_load(patch["patch"]) for patch in overlay["patches"])
    assert patch["metadata"]["name"] == "stripwatch-worker"
    assert [one["image"] for one in patch["spec"]["template"]["spec"]["containers"]] == ["stripwatch-worker:gpu"]
    for lock, has in (("demo", True), ("gpu", False)):
        assert ("\nstarlette==" in (DEPLOY.parent / "requirements" / f"{lock}.txt").read_text()) is has


def test_settings_and_bundle_paths_are_mounted(settings: Settings) -> None:
    mounts = {mount["mountPath"]: mount for mount in CONTAINER["volumeMounts"]}
    assert set(mounts) == {"/etc/stripwatch", "/bundles", "/tmp"}
    assert CONTAINER["args"] == ["run", "--config", "/etc/stripwatch/worker.toml"]
    assert settings.bundle is not None
    assert str(settings.bundle.parent) == "/bundles"
    assert {mount["name"] for mount in mounts.values()} == {volume["name"] for volume in POD["spec"]["volumes"]}


def test_scaler_watches_the_group_of_the_worker(settings: Settings) -> None:
    spec = manifest("scaled-object")["spec"]
    assert TRIGGER["consumerGroup"] == settings.group_id
    assert TRIGGER["topic"] == settings.topics.frames
    assert TRIGGER["bootstrapServers"] == settings.bootstrap_servers
    assert TRIGGER["offsetResetPolicy"] == settings.start_at
    assert spec["scaleTargetRef"]["name"] == manifest("deployment")["metadata"]["name"]
    assert "replicas" not in manifest("deployment")["spec"], "both would set it"
    assert spec["minReplicaCount"] >= 1


def test_scaler_uses_a_protocol_version_supported_by_every_kafka() -> None:
    version = TRIGGER["version"]
    assert isinstance(version, str), "KEDA requires a string; YAML would parse 2.1 as a number"
    oldest, newest = (2, 1, 0), (3, 9, 0)  # of Kafka 4 (KIP-896); of the oldest broker that this project is tested with
    assert oldest <= tuple(map(int, version.split("."))) <= newest


def test_scaler_never_leaves_frames_without_a_worker() -> None:
    assert all(isinstance(value, str) for value in TRIGGER.values()), "KEDA requires strings"
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


def test_the_overlay_in_the_guide_replaces_values_that_the_base_has() -> None:
    guide = (DEPLOY.parent / "docs/how-to/automation-engineer/deploy-kubernetes.md").read_text()
    fences = [token for token in MarkdownIt().parse(guide) if token.type == "fence" and token.info == "yaml"]
    overlay, promote, without_coils = (yaml.safe_load(token.content) for token in fences)
    assert overlay["resources"] == ["../base"]
    assert overlay["images"][0]["name"] == CONTAINER["image"].partition(":")[0]
    assert overlay["configMapGenerator"][0]["name"] == manifest("kustomization")["configMapGenerator"][0]["name"]
    files = {"Deployment": "deployment", "ScaledObject": "scaled-object"}
    for patch in overlay["patches"]:
        for change in yaml.safe_load(patch["patch"]):
            found: Any = manifest(files[patch["target"]["kind"]])
            assert found["metadata"]["name"] == patch["target"]["name"]
            for key in change["path"].strip("/").split("/"):
                found = found[int(key) if isinstance(found, list) else key]
            assert type(found) is type(change["value"]), change
    claim = promote["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert claim == manifest("bundles")["metadata"]["name"]
    assert without_coils["patches"][0]["target"]["name"] == BESIDE["coils"]["Deployment"]["metadata"]["name"]


def test_no_more_workers_than_partitions() -> None:
    partitions = inspect.signature(topics).parameters["partitions"].default
    assert manifest("scaled-object")["spec"]["maxReplicaCount"] <= partitions
