"""Library versions and the commit of this code, recorded with each model."""

import platform
import subprocess
from pathlib import Path
from types import ModuleType

from stripwatch.worker.common.version import __version__

_ROOT = Path(__file__).resolve().parents[2]


def versions_of(*modules: ModuleType) -> dict[str, str]:
    """Return the versions of Python, Stripwatch and the given modules, by name."""
    ours = {"python": platform.python_version(), "stripwatch": __version__}
    return ours | {module.__name__: str(module.__version__) for module in modules}


def commit() -> str | None:
    """Return the commit of the checkout this code runs from, or None outside a checkout.

    The commit ends in "-dirty" if tracked files were modified.
    """
    if not (_ROOT / ".git").exists():  # installed: a repository in a parent folder belongs to another project
        return None
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
