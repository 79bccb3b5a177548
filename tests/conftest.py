"""Fixtures for all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from stripwatch.worker.broker.workarounds.connection.unclosed_sockets import close_sockets

settings.register_profile("stripwatch", deadline=None)  # no test says how fast a machine is that has other work
settings.load_profile("stripwatch")
for name in [*os.environ]:  # what a user has set for a worker or a terminal; a test sets what it is about
    if name.startswith("STRIPWATCH_") or name in ("COLUMNS", "CUDA_DEVICE_ORDER", "FORCE_COLOR", "NO_COLOR"):
        del os.environ[name]
close_sockets()  # tests open clients of their own too; what they leave to the collector fails whatever test runs then

pytest_plugins = ["tests.brokers.plugin"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photographs and weights: STEEL_SHARED, else beside the project."""
    folder = Path(os.environ.get("STEEL_SHARED") or Path(__file__).parents[2] / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"the shared data folder {folder} is not there (STEEL_SHARED names it)")
    return folder


@pytest.fixture(autouse=True)
def log_of_its_own() -> Iterator[None]:
    """A command that runs inside a test sets up a log on the test's own stderr, which is closed after it."""
    yield
    structlog.reset_defaults()
