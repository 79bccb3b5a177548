"""The wheel of this project contains the whole package and nothing else."""

import email
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from stripwatch.worker.common.version import __version__

ROOT = Path(__file__).parents[1]
PACKAGES = ("worker", "training", "export")
_BUILD = "import sys; from setuptools import build_meta; getattr(build_meta, 'build_' + sys.argv[1])(sys.argv[2])"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the checkout, because a build writes next to its source and reads files of an earlier build."""
    copy = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("src", "tests", *PACKAGES):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    return build("wheel", source)


def build(kind: str, source: Path) -> Path:
    """Build with the locked setuptools of this environment. kind: wheel or sdist."""
    out = source / "dist" / kind
    done = subprocess.run([sys.executable, "-c", _BUILD, kind, out], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = out.iterdir()
    return built


def contents(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def files_of_the_package() -> set[str]:
    """Return the files of the package in the checkout, where src/stripwatch links to the three folders."""
    top = {f"stripwatch/{path.name}" for path in (ROOT / "src" / "stripwatch").iterdir() if path.is_file()}
    below = {
        f"stripwatch/{path.relative_to(ROOT).as_posix()}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return top | below


def test_a_wheel_has_exactly_the_files_of_the_package(wheel: Path) -> None:
    names = {name for name in contents(wheel) if not name.startswith(f"stripwatch-{__version__}.dist-info/")}
    assert names == files_of_the_package()
    assert {
        "stripwatch/py.typed",
        "stripwatch/worker/bench/strip-mobilenet.onnx",
        "stripwatch/worker/dashboard/page/index.html",
        *(f"stripwatch/{package}/cli.py" for package in PACKAGES),
    } <= names
    assert not any(
        part == "tests" or part.startswith(("test_", "conftest")) for name in names for part in name.split("/")
    )


def test_a_wheel_has_the_licence_and_complete_metadata(wheel: Path) -> None:
    info = f"stripwatch-{__version__}.dist-info"
    assert contents(wheel)[f"{info}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    metadata = email.message_from_bytes(contents(wheel)[f"{info}/METADATA"])
    assert metadata["Name"] == "stripwatch"
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    for field in ("Summary", "Author", "Keywords", "Classifier", "Requires-Python"):
        assert metadata[field], field


def test_a_wheel_built_from_the_source_distribution_is_the_same(source: Path, wheel: Path, tmp_path: Path) -> None:
    sdist = build("sdist", source)
    with tarfile.open(sdist) as archive:
        assert all(member.isfile() or member.isdir() for member in archive), (
            "a source distribution must not contain links"
        )
        assert not any("/tests/" in member.name for member in archive)
    subprocess.run(["tar", "-xf", sdist, "-C", tmp_path], check=True)
    (unpacked,) = tmp_path.iterdir()
    assert contents(build("wheel", unpacked)) == contents(wheel)


def test_an_installed_wheel_finds_the_demo_bundle(wheel: Path, tmp_path: Path) -> None:
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    script = "from stripwatch.worker.bench.demo import DEMO_BUNDLE; print(DEMO_BUNDLE.resolve(strict=True))"
    environment = {"PYTHONPATH": str(tmp_path / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd="/", env=environment, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "site" / "stripwatch" / "worker")
