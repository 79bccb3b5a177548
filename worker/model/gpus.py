"""How many GPUs this process may use, without CUDA: a process that only starts others must not hold a context there."""

import os
import shutil
import subprocess
from pathlib import Path

from stripwatch.worker.common.errors import SettingsError

_DRIVER_FOLDER = Path("/proc/driver/nvidia/gpus")  # a folder for each GPU
_ANSWER_S_MAX = 20.0  # without its persistence mode the driver starts every GPU first


def count_gpus() -> int | None:
    """The number of device ids that CUDA will know here; None where neither the driver nor the environment tells.

    nvidia-smi comes before the driver's folder, since in a container the folder may show the GPUs of the whole host.
    """
    installed = _count_by_nvidia_smi()
    if installed is None:
        installed = _count_by_folder()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return installed if visible is None else _count_visible(visible, installed)


def require_gpu(device_id: int) -> None:
    """Raises SettingsError where there are too few GPUs. If nobody can count them, ONNX Runtime decides."""
    count = count_gpus()
    if count is not None and device_id >= count:
        raise SettingsError(f"device_id = {device_id} is not there: {_found(count)}")


def _found(count: int) -> str:
    if count == 0:
        return "this machine shows no GPU; see nvidia-smi and CUDA_VISIBLE_DEVICES"
    if count == 1:
        return "this machine shows 1 GPU, whose device_id is 0"
    return f"this machine shows {count} GPUs, whose device_id is 0 to {count - 1}"


def _count_visible(visible: str, installed: int | None) -> int:
    """CUDA takes the list up to its first entry that is no GPU. An entry is a number, or a name of a GPU or MIG."""
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
    return 1 if "MIG" in kinds else kinds.count("GPU")  # of GPUs cut into MIG instances CUDA gives a process one


def _count_by_folder() -> int | None:
    try:
        return sum(1 for _ in _DRIVER_FOLDER.iterdir())
    except OSError:
        return None
