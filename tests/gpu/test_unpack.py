"""Unpacking on the GPU machine: incomplete parts install nothing, complete parts are installed once."""

import ast
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.gpu.parts import split
from tests.gpu.unpack import install, main


def write_wheel(path: Path) -> None:
    files = {
        "smallest.py": "ANSWER = 42\n",
        "smallest-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: smallest\nVersion: 1\n",
        "smallest-1.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "smallest-1.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)


@pytest.fixture
def payload(tmp_path: Path) -> Path:
    write_wheel(tmp_path / "smallest-1-py3-none-any.whl")
    (tmp_path / "a.onnx").write_bytes(b"model")
    with tarfile.open(tmp_path / "payload.tar.xz", "w:xz") as archive:
        archive.add(tmp_path / "smallest-1-py3-none-any.whl", "wheels/smallest-1-py3-none-any.whl")
        archive.add(tmp_path / "a.onnx", "models/a.onnx")
    return tmp_path / "payload.tar.xz"


def test_wheels_and_models_are_installed_once(payload: Path, tmp_path: Path) -> None:
    install(payload, tmp_path / "there")
    assert (tmp_path / "there" / "models" / "a.onnx").read_bytes() == b"model"
    installed = tmp_path / "there" / "site" / "smallest.py"
    assert installed.read_text() == "ANSWER = 42\n"
    installed.write_text("kept\n")
    install(payload, tmp_path / "there")
    assert installed.read_text() == "kept\n"


def test_names_a_missing_part_and_installs_nothing(
    payload: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = split(payload, tmp_path / "there", part_bytes=200)
    (folders[1] / "data").unlink()
    assert main(["--folder", str(tmp_path / "there")]) == 3
    assert "not ready: damaged: part-01" in capsys.readouterr().err
    assert not (tmp_path / "there" / "site").exists()


def test_needs_only_the_standard_library() -> None:
    imported = set()
    for name in ("unpack", "parts"):
        for node in ast.walk(ast.parse((Path(__file__).parent / f"{name}.py").read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module))
    assert imported - {"tests.gpu.parts"} <= sys.stdlib_module_names
