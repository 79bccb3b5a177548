"""What a model was made with: library versions and the commit of this code."""

import platform
import subprocess
from pathlib import Path
from types import ModuleType

from stripwatch.worker.common.version import __version__

_ROOT = Path(__file__).resolve().parents[2]


def versions_of(*modules: ModuleType) -> dict[str, str]:
    """Name to version: Python, this project, and the modules given."""
    ours = {"python": platform.python_version(), "stripwatch": __version__}
    return ours | {module.__name__: str(module.__version__) for module in modules}


def commit() -> str | None:
    """The commit of the checkout that this code runs from, "-dirty" where files were changed; None outside one."""
    if not (_ROOT / ".git").exists():  # installed: a repository further up would be somebody else's
        return None
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
