"""Counting GPUs with nvidia-smi (replaced by a script), the driver's folder and the environment."""

from pathlib import Path

import pytest

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.model import gpus
from stripwatch.worker.model.gpus import count_gpus, require_gpu

TWO = "GPU 0: NVIDIA L4 (UUID: GPU-11)\nGPU 1: NVIDIA L4 (UUID: GPU-22)\n"
CUT = "GPU 0: NVIDIA A30 (UUID: GPU-11)\n  MIG 1g.6gb Device 0: (UUID: MIG-1)\n  MIG 1g.6gb Device 1: (UUID: MIG-2)\n"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up a machine without a driver, and return its folders for programs and for the driver."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(gpus, "_DRIVER_FOLDER", tmp_path / "driver")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path


def install_nvidia_smi(machine: Path, answer: str, code: int = 0) -> None:
    script = machine / "bin" / "nvidia-smi"
    script.write_text(f"#!/bin/sh\n[ \"$1\" = -L ] || exit 9\ncat <<'END'\n{answer}END\nexit {code}\n")
    script.chmod(0o755)


def install_driver(machine: Path, count: int) -> None:
    for number in range(count):
        (machine / "driver" / f"0000:{number:02}:00.0").mkdir(parents=True)


@pytest.mark.parametrize(
    ("answer", "visible", "count"),
    [
        (TWO, None, 2),
        (TWO, "0,1", 2),
        (TWO, " 1 , 0 ", 2),
        (TWO, "1", 1),
        (TWO, "", 0),
        (TWO, "-1", 0),
        (TWO, "0,-1,1", 1),  # CUDA reads no further than the first entry that is no GPU
        (TWO, "0,7", 1),
        (TWO, "GPU-11,GPU-22", 2),
        (TWO, "NoDevFiles", 0),
        ("No devices found.\n", None, 0),
        (CUT, None, 1),
        (CUT, "MIG-1", 1),
    ],
)
def test_counts_gpus_with_nvidia_smi_and_the_environment(
    machine: Path, monkeypatch: pytest.MonkeyPatch, answer: str, visible: str | None, count: int
) -> None:
    install_nvidia_smi(machine, answer)
    install_driver(machine, 8)  # in a container the folder shows the GPUs of the host, so nvidia-smi takes precedence
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert count_gpus() == count


def test_counts_the_folder_of_the_driver_if_nvidia_smi_is_missing_or_fails(machine: Path) -> None:
    install_driver(machine, 3)
    assert count_gpus() == 3
    install_nvidia_smi(machine, "NVML: Driver/library version mismatch\n", code=18)
    assert count_gpus() == 3


def test_counts_the_environment_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_gpus() is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    assert count_gpus() == 2


@pytest.mark.parametrize(
    ("count", "device_id", "said"),
    [
        (0, 1, "has no visible GPU"),
        (1, 1, "has 1 visible GPU, with device_id 0"),
        (4, 4, "has 4 visible GPUs, with device_id 0 to 3"),
        (4, 3, None),
        (None, 9, None),
    ],
)
def test_rejects_a_gpu_that_does_not_exist(
    monkeypatch: pytest.MonkeyPatch, count: int | None, device_id: int, said: str | None
) -> None:
    monkeypatch.setattr(gpus, "count_gpus", lambda: count)
    if said is None:
        require_gpu(device_id)
        return
    with pytest.raises(SettingsError, match=f"device_id = {device_id} does not exist: this machine {said}"):
        require_gpu(device_id)
