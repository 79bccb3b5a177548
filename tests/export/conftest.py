import sys
from pathlib import Path

import pytest

from stripwatch.export.cli import main
from stripwatch.worker.model.bundle import Precision
from tests.trained import fitted_run, learned_run, random_weights, textures

__all__ = ["fitted_run", "learned_run", "random_weights", "textures"]


@pytest.fixture(scope="session")
def exported_fp16(tmp_path_factory: pytest.TempPathFactory, learned_run: Path) -> Path:
    return _export(tmp_path_factory, learned_run, "fp16")


@pytest.fixture(scope="session")
def exported_int8(tmp_path_factory: pytest.TempPathFactory, learned_run: Path) -> Path:
    return _export(tmp_path_factory, learned_run, "int8")


@pytest.fixture(scope="session")
def exported_fp32(tmp_path_factory: pytest.TempPathFactory, learned_run: Path) -> Path:
    """A float32 bundle of the run that exported_fp16 and exported_int8 use."""
    return _export(tmp_path_factory, learned_run, "fp32")


def _export(tmp_path_factory: pytest.TempPathFactory, learned_run: Path, precision: Precision) -> Path:
    from stripwatch.export.convert.export_run import ExportSettings, export_run

    out = tmp_path_factory.mktemp(precision) / "model.onnx"
    export_run(ExportSettings(learned_run, out, name="textures", precision=precision))
    return out


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, fitted_run: Path) -> Path:
    """A bundle of the fitted run."""
    from stripwatch.export.convert.export_run import ExportSettings, export_run

    out = tmp_path_factory.mktemp("exported") / "model.onnx"
    export_run(ExportSettings(fitted_run, out, name="textures", version="7"))
    return out


def run_cli(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["stripwatch export", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.fixture(scope="session")
def novel_run(tmp_path_factory: pytest.TempPathFactory, learned_run: Path) -> Path:
    """The folder of a run with a novelty detector; no validation frame is above its threshold."""
    from tests.novel_run import write_novel_run

    return write_novel_run(learned_run, tmp_path_factory.mktemp("novel") / "run")


@pytest.fixture(scope="session")
def exported_novel(tmp_path_factory: pytest.TempPathFactory, novel_run: Path) -> Path:
    """A bundle of the run with a novelty detector."""
    return _export(tmp_path_factory, novel_run, "fp32")
