"""Fixtures for all tests."""

import os
import signal
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
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it runs in the background
close_sockets()  # tests open clients of their own too; what they leave to the collector fails whatever test runs then

pytest_plugins = ["tests.brokers.plugin"]

_TESTS = Path(__file__).parent
_REAL = [  # folders and files whose tests start processes, or wait for a broker, a browser or the clock
    *("benchmarks", "brokers", "deploy", "e2e", "faults", "gpu", "soak", "test_fuzz.py", "test_wheel.py"),
    *("docs/test_python_example.py", "test_api.py", "test_cli.py", "test_working_directory.py", "training/test_cli.py"),
    *("training/experiments", "training/fitting/test_devices.py", "worker/bench", "worker/broker", "worker/coils"),
    *("worker/commands", "worker/common", "worker/config/test_security.py", "worker/dashboard", "worker/monitoring"),
    *("worker/pipeline", "worker/service", "worker/simulator"),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that .ci/run lets fail once."""
    for item in items:
        folders = item.path.relative_to(_TESTS)
        brokers = any(name.endswith("broker") for name in getattr(item, "fixturenames", ()))
        if brokers or any(folders.is_relative_to(real) for real in _REAL):
            item.add_marker("real")


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
