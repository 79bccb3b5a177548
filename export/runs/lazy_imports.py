"""Late imports of the libraries of the `train` extra: an error names the missing ones, their log output is silenced."""

import importlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from stripwatch.worker.common.errors import SettingsError

_PACKAGES = {"sklearn": "scikit-learn"}  # the other modules are named like the package that has them


def require(*modules: str) -> None:
    """Import modules by name. Raises SettingsError with the command that installs those that are missing."""
    errors: dict[str, ImportError] = {}
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            errors[module] = error
    if errors:
        packages = " ".join(_PACKAGES.get(module, module) for module in errors)
        cause = next(iter(errors.values()))
        raise SettingsError(f"cannot import {', '.join(errors)} ({cause}); run: pip install {packages}") from cause


def load_tensorflow() -> None:
    """Import TensorFlow with its startup messages suppressed.

    The import takes seconds, so only commands that need TensorFlow call this, before any other import of it.
    Raises SettingsError if TensorFlow is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # errors only
    with _stderr_discarded():
        require("tensorflow")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextmanager
def silenced(level: int = logging.WARNING) -> Iterator[None]:
    """Suppress log messages up to `level` inside the block, for libraries that log advice meant for interactive use."""
    before = logging.root.manager.disable
    logging.disable(level)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _stderr_discarded() -> Iterator[None]:
    """Discard stderr inside the block: TensorFlow 2.21 writes two lines to file descriptor 2 at any log level."""
    sys.stderr.flush()
    saved = os.dup(2)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(devnull)
