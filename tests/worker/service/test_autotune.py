"""The best layout is tried once, in processes of its own, and remembered; what fails in it stops no worker."""

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.config.cache_dir import cache_folder
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.model.bundle import Bundle, read_bundle
from stripwatch.worker.service import autotune
from stripwatch.worker.service.autotune import TrialFailed, lay_out, measure
from stripwatch.worker.service.core_layout import Layout
from tests.tiny import build_model, write_bundle

ONE, TWO = Layout(1, 0, 0), Layout(2, 1, 1)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "tiny.onnx")


@pytest.fixture
def settings(tmp_path: Path, bundle: Path) -> Settings:
    given = {"bundle": bundle, "provider": "cpu", "processes": "auto", "cache_folder": tmp_path / "cache"}
    return load_settings(None, given)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Layout]:
    """The layouts that are tried on a machine of two cores, where two processes are the faster."""
    layouts: list[Layout] = []

    def fake(_: Settings, __: Bundle, layout: Layout) -> float:
        layouts.append(layout)
        return 100.0 * layout.processes

    monkeypatch.setattr(autotune, "measure", fake)
    monkeypatch.setattr(autotune, "usable_cores", lambda: 2)
    return layouts


def failing(error: Exception) -> Callable[..., float]:
    def fail(*_: object) -> float:
        raise error

    return fail


def test_it_is_tried_once_and_remembered(settings: Settings, tried: list[Layout]) -> None:
    first, second = lay_out(settings), lay_out(settings)
    assert tried == [ONE, TWO]
    assert first.layout == second.layout == TWO
    assert first.because == "tried just now: 100 frames/s with 1, 200 frames/s with 2 processes"
    assert second.because.startswith("as tried before")


def test_another_model_or_another_setting_that_counts_is_tried_anew(
    settings: Settings, bundle: Path, tried: list[Layout]
) -> None:
    lay_out(settings)
    lay_out(settings.model_copy(update={"decode_threads": 1}))
    write_bundle(bundle, model=build_model(sharpness=19.99))
    lay_out(settings)
    assert len(tried) == 6
    lay_out(settings.model_copy(update={"group_id": "another"}))
    assert len(tried) == 6


@pytest.mark.parametrize("content", [b"", b"no json", b"[]", b'[{"layout": 1}]', b"\xff\xfe"])
def test_what_was_remembered_and_cannot_be_used_is_tried_anew(
    settings: Settings, tried: list[Layout], tmp_path: Path, content: bytes
) -> None:
    lay_out(settings)
    (remembered,) = tmp_path.glob("cache/*")
    whole = remembered.read_bytes()
    remembered.write_bytes(content)
    assert lay_out(settings).layout == TWO
    assert len(tried) == 4
    assert remembered.read_bytes() == whole


def test_a_folder_that_cannot_be_written_is_no_more_than_a_warning(
    settings: Settings, tried: list[Layout], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("in the way")
    with capture_logs() as logs:
        assert lay_out(settings).layout == TWO
    assert "not remembered" in " ".join(str(line["event"]) for line in logs)
    assert tried


def test_a_user_without_a_home_is_no_error(
    settings: Settings, tried: list[Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "~")  # what expanduser makes of a user that the system does not know
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    nowhere = settings.model_copy(update={"cache_folder": None})
    assert cache_folder(nowhere) is None
    assert lay_out(nowhere).layout == TWO
    assert tried == [ONE, TWO]


@pytest.mark.parametrize("error", [TrialFailed("it broke"), OSError("no more processes")])
def test_a_trial_that_fails_leaves_a_process_a_core(
    settings: Settings, tried: list[Layout], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(autotune, "measure", failing(error))
    plan = lay_out(settings)
    assert plan.layout == TWO
    assert str(error) in plan.because
    assert not tried
    assert settings.cache_folder is not None
    assert not settings.cache_folder.exists()


def test_nothing_is_tried_where_the_settings_say_it(settings: Settings, tried: list[Layout]) -> None:
    assert lay_out(settings.model_copy(update={"processes": 3})).layout == Layout(3, 1, 1)
    assert not tried


def test_a_bundle_that_is_none_is_said_before_any_trial(settings: Settings, bundle: Path, tried: list[Layout]) -> None:
    bundle.write_bytes(b"no model")
    with pytest.raises(BundleError, match="tiny"):
        lay_out(settings)
    assert not tried


def test_a_trial_runs_the_processes_of_a_layout(settings: Settings, bundle: Path) -> None:
    assert measure(settings, read_bundle(bundle), TWO, seconds=0.5) > 0


def test_a_trial_says_why_it_failed(settings: Settings, bundle: Path) -> None:
    sealed = read_bundle(bundle)
    bundle.unlink()
    with pytest.raises(TrialFailed, match="cannot read the bundle"):
        measure(settings, sealed, ONE)
