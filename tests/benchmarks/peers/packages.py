"""Install the peers' packages in a separate environment, once per state of their lock file."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from stripwatch.worker.common.terminal.console import say

ROOT = Path(__file__).parents[3]
LOCK = ROOT / "requirements" / "peers.txt"
STORE = ROOT / ".cache"
INSTALL_S_MAX = 600.0


class PackagesUnavailableError(Exception):
    """The peers' packages cannot be installed; the text is the reason."""


def peers_python() -> str:
    """Return the interpreter that has the packages. Raises PackagesUnavailableError."""
    folder = STORE / f"peers-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if python.exists():
        return str(python)
    say(f"installing the peers' packages into {folder.relative_to(ROOT)}")
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    uv = (sys.executable, "-m", "uv")
    _run(*uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(part))
    _run(*uv, "pip", "install", "--quiet", "--require-hashes", "--python", str(part), "-r", str(LOCK))
    part.rename(folder)
    return str(python)


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S_MAX)
    except subprocess.CalledProcessError as error:
        raise PackagesUnavailableError(f"the packages cannot be installed: {error.stderr.strip()[-500:]}") from error
    except subprocess.TimeoutExpired as error:
        raise PackagesUnavailableError(f"the packages were not installed within {INSTALL_S_MAX:.0f} s") from error
