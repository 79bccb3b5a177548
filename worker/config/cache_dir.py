"""Cache directory for auto-tuning results and TensorRT engines."""

import os
from pathlib import Path

from stripwatch.worker.config.settings import Settings


def cache_folder(settings: Settings) -> Path | None:
    """Return the `cache_folder` setting, else a folder in the user's cache; None if the user has no home."""
    try:
        return settings.cache_folder or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "stripwatch"
    except RuntimeError:
        return None
