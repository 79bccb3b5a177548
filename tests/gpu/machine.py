"""Machine of a GPU run: names of GPU, driver and CPU, and the GPU memory in use."""

import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from stripwatch.worker.common.process.cores import allowed_cores, processor_name

ROOT = Path(__file__).parents[2]


def gpu_memory_mb() -> float | None:
    """Return the memory in use on the first GPU by all processes, in MB; None without a GPU."""
    found = _ask_gpu("memory.used")
    return float(found) if found and found.isdecimal() else None


def describe_machine(commit: str = "") -> dict[str, str]:
    """Return the names for the header of the table. commit: empty to ask git."""
    commit = commit or _output(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]) or ""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit or "not known",
        "GPU": _ask_gpu("name") or "none",
        "driver": _ask_gpu("driver_version") or "none",
        "CPU": processor_name(),
        "cores": str(allowed_cores()),
        "Python": platform.python_version(),
    }


def _ask_gpu(what: str) -> str | None:
    """Query the first GPU; return None without nvidia-smi or a GPU."""
    if shutil.which("nvidia-smi") is None:
        return None
    text = _output(["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits"])
    return text.splitlines()[0].strip() if text else None


def _output(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
