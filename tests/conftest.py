"""Fixtures for all tests."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from stripwatch.worker.broker.workarounds.connection.unclosed_sockets import close_sockets

settings.register_profile("stripwatch", deadline=None)  # tests do not measure speed, because the machine may be busy
settings.load_profile("stripwatch")
for name in [*os.environ]:  # remove the user's settings of workers and terminals; a test sets those it needs
    if name.startswith("STRIPWATCH_") or name in ("COLUMNS", "CUDA_DEVICE_ORDER", "FORCE_COLOR", "NO_COLOR"):
        del os.environ[name]
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for background processes
close_sockets()  # a client that a test leaves to the garbage collector would fail another test

pytest_plugins = ["tests.brokers.plugin"]

_TESTS = Path(__file__).parent
_REAL = [  # tests that start processes, or wait for a broker, a browser or the clock
    *(
        "benchmarks",
        "brokers",
        "deploy",
        "e2e",
        "faults",
        "gpu",
        "label_studio",
        "soak",
        "test_fuzz.py",
        "test_wheel.py",
    ),
    *("docs/test_python_example.py", "test_api.py", "test_cli.py", "test_working_directory.py", "training/test_cli.py"),
    *("training/experiments", "training/fitting/test_devices.py", "worker/bench", "worker/broker", "worker/coils"),
    *("worker/commands", "worker/common", "worker/config/test_security.py", "worker/dashboard", "worker/monitoring"),
    *("worker/pipeline", "worker/service", "worker/simulator"),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that .ci/run may repeat once after a failure."""
    for item in items:
        folders = item.path.relative_to(_TESTS)
        brokers = any(name.endswith("broker") for name in getattr(item, "fixturenames", ()))
        if brokers or any(folders.is_relative_to(real) for real in _REAL):
            item.add_marker("real")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real photographs and weights: STEEL_SHARED, or a folder next to the project by default."""
    folder = Path(os.environ.get("STEEL_SHARED") or Path(__file__).parents[2] / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"the shared data folder {folder} does not exist; set STEEL_SHARED")
    return folder


@pytest.fixture(autouse=True)
def log_of_its_own() -> Iterator[None]:
    """Reset the log after each test: a command that runs in a test logs to the test's stderr, which is then closed."""
    yield
    structlog.reset_defaults()
