"""A model of defects only never gives the verdict clean. Every step from the data to the worker warns of it."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from stripwatch.export.runs.run_folder import read_run, write_run
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.loading.open_model import open_model
from stripwatch.worker.service.check import check
from tests.export.conftest import run_cli
from tests.tiny import tiny_contract, write_bundle

Capture = pytest.CaptureFixture[str]
WARNING = 'no label means "no defect", so every frame of clean strip becomes a defect or unsure'


@pytest.fixture
def defects_only(tmp_path: Path) -> Path:
    """A bundle whose labels are all defects."""
    return write_bundle(tmp_path / "defects.onnx", tiny_contract(clean_label=None))


@pytest.mark.training
def test_export_run_warns(learned_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    shutil.copytree(learned_run, tmp_path / "run")
    write_run(tmp_path / "run", msgspec.structs.replace(read_run(learned_run), clean_label=None))
    assert run_cli(monkeypatch, "run", tmp_path / "run", "--out", tmp_path / "a.onnx") == 0
    printed = capsys.readouterr()
    assert f"warning: {WARNING}; add images of clean strip" in " ".join(printed.err.split())
    assert json.loads(printed.out.splitlines()[-1])["warnings"][0].startswith(WARNING)


def test_show_card_and_promote_warn(
    defects_only: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    assert run_cli(monkeypatch, "show", defects_only) == 0
    printed = capsys.readouterr().out
    assert WARNING in " ".join(printed.split())
    assert json.loads(printed.splitlines()[-1])["warnings"][0].startswith(WARNING)
    assert run_cli(monkeypatch, "promote", defects_only, tmp_path / "store") == 0
    assert f"warning: {WARNING}" in capsys.readouterr().err


def test_html_card_warns(defects_only: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    assert run_cli(monkeypatch, "show", defects_only, "--html", tmp_path / "card.html") == 0
    page = (tmp_path / "card.html").read_text()
    assert '<p class="warning">Warning: no label means &quot;no defect&quot;, so every frame of clean strip' in page


def test_check_and_the_worker_warn(defects_only: Path) -> None:
    settings = load_settings(None, {"bundle": defects_only, "metrics": {"port": 0}})
    (result,) = (each for each in check(settings).results if each.check == "clean strip")
    assert (result.status, result.detail.startswith(WARNING)) == ("warning", True)
    with capture_logs() as logs:
        open_model(read_bundle(defects_only), settings)
    (line,) = (each for each in logs if each["event"] == "the model never gives the verdict clean")
    assert line["log_level"] == "warning"
    assert line["why"].startswith(WARNING)


@pytest.mark.parametrize("changes", [{}, {"task": "multilabel", "clean_label": None}])
def test_nothing_is_printed_for_a_model_that_can(
    changes: dict[str, str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    file = write_bundle(tmp_path / "good.onnx", tiny_contract(**changes))
    assert run_cli(monkeypatch, "show", file) == 0
    printed = capsys.readouterr().out
    assert "warning" not in printed.rpartition("\n{")[0]
    assert json.loads(printed.splitlines()[-1])["warnings"] == []
    (result,) = (
        each
        for each in check(load_settings(None, {"bundle": file, "metrics": {"port": 0}})).results
        if each.check == "clean strip"
    )
    assert result.status == "ok"
