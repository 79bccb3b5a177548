from pathlib import Path

import pytest

from tests.trained import fitted_run, random_weights, textures

__all__ = ["fitted_run", "random_weights", "textures"]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, fitted_run: Path) -> Path:
    """A bundle of the fitted run."""
    from export.run import ExportSettings, export_run

    out = tmp_path_factory.mktemp("exported") / "model.onnx"
    export_run(ExportSettings(fitted_run, out, name="textures", version="7"))
    return out
