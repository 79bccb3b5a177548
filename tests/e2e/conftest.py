"""Bundle and line for every end-to-end test."""

from pathlib import Path

import pytest

from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line
from tests.tiny import write_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle") / "tiny.onnx")


@pytest.fixture
def line(broker: BrokerHandle) -> Line:
    return Line.on(broker)
