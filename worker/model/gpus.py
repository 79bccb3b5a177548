"""Count the GPUs that this process may use, without CUDA: a supervisor must not hold a CUDA context."""

import os
import shutil
import subprocess
from pathlib import Path

from stripwatch.worker.common.errors import SettingsError

_DRIVER_FOLDER = Path("/proc/driver/nvidia/gpus")  # one folder per GPU
_ANSWER_S_MAX = 20.0  # without persistence mode, the driver initializes every GPU first


def count_gpus() -> int | None:
    """Return the number of GPUs that CUDA will see, or None if neither the driver nor the environment shows it.

    nvidia-smi takes precedence over the driver's folder, which in a container may show the GPUs of the whole host.
    """
    installed = _count_by_nvidia_smi()
    if installed is None:
        installed = _count_by_folder()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return installed if visible is None else _count_visible(visible, installed)


def require_gpu(device_id: int) -> None:
    """Raise SettingsError if there are too few GPUs. If the GPUs cannot be counted, ONNX Runtime decides."""
    count = count_gpus()
    if count is not None and device_id >= count:
        raise SettingsError(f"device_id = {device_id} does not exist: {_available(count)}")


def _available(count: int) -> str:
    if count == 0:
        return "this machine has no visible GPU; check nvidia-smi and CUDA_VISIBLE_DEVICES"
    if count == 1:
        return "this machine has 1 visible GPU, with device_id 0"
    return f"this machine has {count} visible GPUs, with device_id 0 to {count - 1}"


def _count_visible(visible: str, installed: int | None) -> int:
    """Count the entries of CUDA_VISIBLE_DEVICES as CUDA does: up to the first entry that is not a GPU.

    An entry is a number, or the name of a GPU or MIG instance.
    """
    count = 0
    for entry in (part.strip() for part in visible.split(",")):
        number = int(entry) if entry.isascii() and entry.isdigit() else None
        named = entry.startswith(("GPU-", "MIG-"))
        if not named and (number is None or (installed is not None and number >= installed)):
            break
        count += 1
    return count


def _count_by_nvidia_smi() -> int | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - the program of the driver
            [program, "-L"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ANSWER_S_MAX, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    kinds = [line.split()[0] for line in answer.splitlines() if line.strip()]
    return 1 if "MIG" in kinds else kinds.count("GPU")  # CUDA gives a process only one MIG instance


def _count_by_folder() -> int | None:
    try:
        return sum(1 for _ in _DRIVER_FOLDER.iterdir())
    except OSError:
        return None
