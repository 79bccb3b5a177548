"""Fixtures shared by the tests of the stages."""

import pytest

from stripwatch.worker.model.loaded_model import LoadedModel
from tests.tiny import write_bundle
from tests.worker.pipeline.inspect.stages import opened


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return opened(write_bundle(tmp_path_factory.mktemp("bundle") / "tiny.onnx"))
