"""Project file, lock files and imports are consistent."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Set
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = {
    "demo": {"cpu", "demo", "view"},
    "gpu": {"gpu"},
    "train": {"cpu", "train"},
    "test": {"cpu", "demo", "view", "train", "docs", "dev"},
}
PAIR = ("test", "peers")
# The lock files have an equivalent package; see requirements/*.in.
IN_PLACE_OF = {"opencv-python": "opencv-python-headless", "tensorflow": "tensorflow-cpu"}
BROUGHT_BY = {"keras": "tensorflow", "pydantic": "pydantic-settings", "pydantic-core": "pydantic-settings"}


def read_pins(lock: str) -> list[Requirement]:
    """Return the pins of a lock file; fail on a line that is not a pin with a hash, a hash or a comment."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    pins = [
        re.fullmatch(r"(\S+==[^;]*?(?: ; .*?)?)((?:\s+--hash=sha256:[0-9a-f]{64})+)", line.strip()) for line in lines
    ]
    assert all(pins), "every line of a lock file must be a pin with its hashes, without addresses"
    return [Requirement(pin[1]) for pin in pins if pin]


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_lock_files_meet_the_requirements_of_the_project(lock: str, python: str) -> None:
    environment: dict[str, str | Set[str]] = {
        **{key: str(value) for key, value in default_environment().items()},
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "python_version": python,
        "python_full_version": f"{python}.0",
    }
    pins = {
        pin.name: next(iter(pin.specifier)).version
        for pin in read_pins(lock)
        if pin.marker is None or pin.marker.evaluate(environment)
    }
    extras = PROJECT["optional-dependencies"]
    for line in [*PROJECT["dependencies"], *(line for extra in LOCKS[lock] for line in extras[extra])]:
        wanted = Requirement(line)
        pin = pins[IN_PLACE_OF.get(wanted.name, wanted.name)]
        assert wanted.specifier.contains(pin), f"run make lock: {line}"


def test_lock_files_agree() -> None:
    """Demo and wheel build use the tested versions of all packages."""
    tested = {(pin.name, str(pin.marker)): str(pin.specifier) for pin in read_pins("test")}
    for lock in {*LOCKS, "build"} - {"test", "gpu"}:
        found = {(pin.name, str(pin.marker)): str(pin.specifier) for pin in read_pins(lock)}
        assert found.items() <= tested.items(), f"run make lock: {lock}.txt"


def test_peers_use_the_same_versions_as_the_worker() -> None:
    """The peers have a separate lock file, but the packages that the comparison depends on must be the same."""
    tested, peers = ({(pin.name, str(pin.marker)): str(pin.specifier) for pin in read_pins(lock)} for lock in PAIR)
    shared = {"crc32c", "kafka-python", "msgspec", "numpy", "onnxruntime", "opencv-python-headless"}
    found = {name: pin for name, pin in peers.items() if name[0] in shared}
    assert {name for name, _ in found} == shared
    assert found.items() <= tested.items(), "run make lock: peers.txt"


def test_installed_packages_are_the_locked_ones() -> None:
    """The hashes of the lock files verify only packages that are really used."""
    here = {pin.name: pin.specifier for pin in read_pins("test") if pin.marker is None or pin.marker.evaluate()}
    installed = {name: version(name) for name in here}
    assert {name for name, found in installed.items() if not here[name].contains(found)} == set(), "run make setup"


def imported(*folders: str) -> set[str]:
    """Return the packages imported by modules in these folders, by their names in pyproject.toml."""
    trees = [ast.parse(path.read_text()) for folder in folders for path in (ROOT / folder).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    modules = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"stripwatch"}
    owners = {canonicalize_name(packages_distributions()[module][0]) for module in modules}
    named = {installed: wanted for wanted, installed in IN_PLACE_OF.items()} | BROUGHT_BY
    return {named.get(owner, owner) for owner in owners}


def test_imported_packages_are_the_dependencies_in_pyproject() -> None:
    """An import of a test-only package fails for users, and an unused dependency is downloaded needlessly."""
    optional = PROJECT["optional-dependencies"]
    extras = {extra: {Requirement(line).name for line in lines} for extra, lines in optional.items()}
    beside = {Requirement(line).name for line in PROJECT["dependencies"]} | extras["cpu"]
    assert imported("training", "export") - beside == extras["train"]
    assert imported("worker", "src/stripwatch") <= beside | extras["view"]


@pytest.mark.parametrize(
    ("extra", "file"),
    [
        ("view", "worker/dashboard/web/command.py"),
        ("view", "worker/bench/demo.py"),
        ("demo", "worker/bench/embedded_broker.py"),
    ],
)
def test_an_error_about_a_missing_extra_names_its_packages(extra: str, file: str) -> None:
    """The project is not on a package index, so `pip install 'stripwatch[view]'` would not work."""
    packages = [Requirement(line).name for line in PROJECT["optional-dependencies"][extra]]
    assert f"pip install {' '.join(packages)}" in (ROOT / file).read_text()


def test_the_worker_imports_no_heavy_package() -> None:
    """Import rules check only the source. This test asks Python, so that imports by libraries count as well."""
    script = "import sys, stripwatch.worker.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = set(loaded.stdout.split())
    assert "stripwatch.worker.cli" in modules
    assert not {"tensorflow", "keras", "onnx", "tf2onnx", "stripwatch.training", "stripwatch.export"} & modules
