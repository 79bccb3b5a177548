"""The best layout is determined once, in separate processes, and stored. A failure of a trial stops no worker."""

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.config.cache_dir import cache_folder
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.service import autotune
from stripwatch.worker.service.autotune import TrialError, choose_layout, measure_layout
from stripwatch.worker.service.core_layout import CoreLayout
from tests.tiny import build_model, write_bundle

ONE, TWO = CoreLayout(1, 0, 0), CoreLayout(2, 1, 1)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "tiny.onnx")


@pytest.fixture
def settings(tmp_path: Path, bundle: Path) -> Settings:
    given = {"bundle": bundle, "provider": "cpu", "processes": "auto", "cache_folder": tmp_path / "cache"}
    return load_settings(None, given)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[CoreLayout]:
    """The layouts tried on a machine with two cores, on which two processes are faster."""
    layouts: list[CoreLayout] = []

    def fake(_: Settings, __: Bundle, layout: CoreLayout) -> float:
        layouts.append(layout)
        return 100.0 * layout.processes

    monkeypatch.setattr(autotune, "measure_layout", fake)
    monkeypatch.setattr(autotune, "usable_cores", lambda: 2)
    return layouts


def failing(error: Exception) -> Callable[..., float]:
    def fail(*_: object) -> float:
        raise error

    return fail


def test_tries_once_and_stores_the_result(settings: Settings, tried: list[CoreLayout]) -> None:
    first, second = choose_layout(settings), choose_layout(settings)
    assert tried == [ONE, TWO]
    assert first.layout == second.layout == TWO
    assert first.reason == "from new trials: 100 frames/s with 1, 200 frames/s with 2 processes"
    assert second.reason.startswith("from stored trials")


def test_another_model_or_relevant_setting_causes_new_trials(
    settings: Settings, bundle: Path, tried: list[CoreLayout]
) -> None:
    choose_layout(settings)
    choose_layout(settings.model_copy(update={"decode_threads": 1}))
    write_bundle(bundle, model=build_model(sharpness=19.99))
    choose_layout(settings)
    assert len(tried) == 6
    choose_layout(settings.model_copy(update={"group_id": "another"}))
    assert len(tried) == 6


@pytest.mark.parametrize("content", [b"", b"not JSON", b"[]", b'[{"layout": 1}]', b"\xff\xfe"])
def test_invalid_stored_trials_cause_new_trials(
    settings: Settings, tried: list[CoreLayout], tmp_path: Path, content: bytes
) -> None:
    choose_layout(settings)
    (remembered,) = tmp_path.glob("cache/*")
    whole = remembered.read_bytes()
    remembered.write_bytes(content)
    assert choose_layout(settings).layout == TWO
    assert len(tried) == 4
    assert remembered.read_bytes() == whole


def test_a_folder_that_is_not_writable_only_causes_a_warning(
    settings: Settings, tried: list[CoreLayout], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("in the way")
    with capture_logs() as logs:
        assert choose_layout(settings).layout == TWO
    assert "cannot store the trials" in " ".join(str(line["event"]) for line in logs)
    assert tried


def test_a_user_without_a_home_is_not_an_error(
    settings: Settings, tried: list[CoreLayout], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "~")  # the result of expanduser for a user unknown to the system
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    nowhere = settings.model_copy(update={"cache_folder": None})
    assert cache_folder(nowhere) is None
    assert choose_layout(nowhere).layout == TWO
    assert tried == [ONE, TWO]


@pytest.mark.parametrize("error", [TrialError("it broke"), OSError("no more processes")])
def test_a_failed_trial_leads_to_one_process_per_core(
    settings: Settings, tried: list[CoreLayout], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(autotune, "measure_layout", failing(error))
    plan = choose_layout(settings)
    assert plan.layout == TWO
    assert str(error) in plan.reason
    assert not tried
    assert settings.cache_folder is not None
    assert not settings.cache_folder.exists()


def test_tries_nothing_if_processes_is_set(settings: Settings, tried: list[CoreLayout]) -> None:
    assert choose_layout(settings.model_copy(update={"processes": 3})).layout == CoreLayout(3, 1, 1)
    assert not tried


def test_reports_an_invalid_bundle_before_any_trial(settings: Settings, bundle: Path, tried: list[CoreLayout]) -> None:
    bundle.write_bytes(b"no model")
    with pytest.raises(BundleError, match="tiny"):
        choose_layout(settings)
    assert not tried


def test_a_trial_runs_all_processes_of_a_layout(settings: Settings, bundle: Path) -> None:
    assert measure_layout(settings, read_bundle(bundle), TWO, seconds=0.5) > 0


def test_a_failed_trial_gives_the_reason(settings: Settings, bundle: Path) -> None:
    sealed = read_bundle(bundle)
    bundle.unlink()
    with pytest.raises(TrialError, match="cannot read the bundle"):
        measure_layout(settings, sealed, ONE)
