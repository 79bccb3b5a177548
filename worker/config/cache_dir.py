"""Where it is kept what a machine has found out or built for a model."""

import os
from pathlib import Path

from stripwatch.worker.config.settings import Settings


def cache_folder(settings: Settings) -> Path | None:
    """Where the setting says, else where the system keeps such things; None for a user without a home."""
    try:
        return settings.cache_folder or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "stripwatch"
    except RuntimeError:
        return None
