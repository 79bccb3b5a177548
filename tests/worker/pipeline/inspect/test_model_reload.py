"""Reloading the model: cheap checks, a self-test before the reload, and one log line for a rejected bundle."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from stripwatch.export.bundles.registry import promote, rollback
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.contracts.events import ModelInfo
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.loading.bundle_store import resolve_bundle
from stripwatch.worker.model.loading.open_model import open_model
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.inspect.model_reload import ModelReloader
from tests.models import make_model
from tests.tiny import build_model, tiny_contract, write_bundle

SETTINGS = load_settings(None, {"provider": "cpu", "inference_threads": 1, "batch_frames_max": 1})


class Watched:
    """A reloader of one path, with what it opened, what it passed on, and its metrics."""

    def __init__(self, path: Path, running: str | None, real: bool = False) -> None:
        self.opened: list[str] = []
        self.taken: list[str] = []
        self.metrics = Metrics(CollectorRegistry())
        self._real = real
        self.watch = ModelReloader(
            lambda: resolve_bundle(path), self._open, self._take, self.metrics.bundle_swaps, running
        )

    def look(self, times: int = 2) -> list[dict[str, Any]]:
        with capture_logs() as logs:
            for _ in range(times):
                self.watch.poll()
        return [dict(log) for log in logs]

    def count(self, outcome: str) -> float:
        value = self.metrics.registry.get_sample_value("stripwatch_bundle_swaps_total", {"outcome": outcome})
        return value or 0.0

    def _open(self, bundle: Bundle, raise_if_cancelled: Callable[[], None]) -> LoadedModel:
        self.opened.append(bundle.manifest.version)
        if self._real:
            return open_model(bundle, SETTINGS, raise_if_cancelled)
        return make_model(info=ModelInfo("tiny", bundle.manifest.version, bundle.sha256, "bundle"))

    def _take(self, model: LoadedModel) -> None:
        self.taken.append(model.info.version)


def put(path: Path, version: str) -> str:
    """Write a bundle to the path atomically; return its SHA-256."""
    write_bundle(path.with_suffix(".part"), tiny_contract(version=version)).replace(path)
    return read_bundle(path).sha256


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


def test_does_not_load_the_running_bundle_again(path: Path) -> None:
    watched = Watched(path, put(path, "1"))
    assert watched.look(5) == []
    os.utime(path)
    watched.look(3)
    assert (watched.opened, watched.watch.outdated) == ([], False)


def test_loads_a_bundle_that_two_checks_have_seen(path: Path) -> None:
    first = put(path, "1")
    watched = Watched(path, first)
    watched.look()
    second = put(path, "2")
    watched.look(1)
    assert watched.opened == []
    (_, swapped) = watched.look(1)
    assert (swapped["event"], swapped["sha256"], swapped["before"]) == ("model reloaded", second, first)
    watched.look(5)
    assert (watched.opened, watched.taken, watched.count("swapped")) == (["2"], ["2"], 1)
    assert not watched.watch.outdated


def test_does_not_load_a_file_that_is_still_being_written(path: Path, tmp_path: Path) -> None:
    watched = Watched(path, put(path, "1"))
    watched.look()
    content = write_bundle(tmp_path / "new.onnx", tiny_contract(version="2")).read_bytes()
    with path.open("wb", buffering=0) as file:
        for part in range(0, len(content), 1000):
            file.write(content[part : part + 1000])
            assert watched.look(1) == []
    watched.look(1)
    assert (watched.taken, watched.count("refused")) == (["2"], 0)


def write_invalid(path: Path, how: str) -> None:
    """Write something to the path that must not run."""
    if how == "cut off":
        path.write_bytes(path.read_bytes()[:-10])
    elif how == "another computation":
        write_bundle(path, tiny_contract(version="2", decode=DecodeSpec(16, 16)), build_model(DecodeSpec(8, 8)))
    elif how == "gone":
        path.unlink()
    elif how == "a folder":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize("how", ["cut off", "another computation", "gone", "a folder"])
def test_rejects_an_invalid_bundle_once_and_loads_the_next_valid_one(path: Path, how: str) -> None:
    first = put(path, "1")
    watched = Watched(path, first, real=True)
    watched.look()
    write_invalid(path, how)
    (refused,) = [log for log in watched.look(5) if log["log_level"] == "error"]
    assert (refused["event"], refused["running"]) == ("bundle rejected", first)
    assert str(path) in refused["error"]
    assert (watched.taken, watched.count("refused"), watched.watch.outdated) == ([], 1, True)
    if path.is_dir():
        path.rmdir()
    put(path, "3")
    watched.look()
    assert (watched.taken, watched.count("swapped"), watched.watch.outdated) == (["3"], 1, False)


def test_does_not_retry_rejected_bytes_until_the_running_bundle_was_back(path: Path, tmp_path: Path) -> None:
    put(path, "1")
    good, bad = tmp_path / "good", tmp_path / "bad"
    shutil.copy(path, good)
    write_bundle(bad, tiny_contract(version="2"), build_model(DecodeSpec(8, 8)))
    watched = Watched(path, read_bundle(good).sha256, real=True)
    for file, opened in ((bad, 1), (bad, 1), (good, 1), (bad, 2)):
        shutil.copy(file, path)
        watched.look(3)
        assert len(watched.opened) == opened
        assert watched.watch.outdated == (file == bad)
    assert watched.count("refused") == 2


def test_an_error_while_loading_rejects_the_bundle(path: Path) -> None:
    def fails(_: Bundle, __: Callable[[], None]) -> LoadedModel:
        raise MemoryError("no room on the device")

    put(path, "1")
    counter = Metrics(CollectorRegistry()).bundle_swaps
    watch = ModelReloader(lambda: resolve_bundle(path), fails, lambda _: None, counter, None)
    with capture_logs() as logs:
        watch.poll()
        watch.poll()
    assert "no room on the device" in logs[-1]["error"]
    assert watch.outdated


def test_loads_the_promoted_bundle_of_a_registry_and_a_rollback(tmp_path: Path) -> None:
    def promoted(versions: Sequence[str]) -> None:
        for version in versions:
            write_bundle(tmp_path / "new.onnx", tiny_contract(version=version))
            promote(tmp_path / "store", tmp_path / "new.onnx")

    promoted(["1"])
    folder = tmp_path / "store" / "tiny"
    watched = Watched(folder, read_bundle(folder / "1.onnx").sha256)
    watched.look()
    promoted(["2"])
    watched.look()
    rollback(folder)
    watched.look()
    assert watched.taken == ["2", "1"]


@pytest.mark.parametrize("real", [True, False])
def test_a_stop_cancels_a_load(path: Path, real: bool) -> None:
    """real: load a real session that is never warmed up, so that there is time to cancel the load."""
    put(path, "1")
    watched = Watched(path, None, real)
    watched.watch.stop()
    logs = watched.look()
    assert [log["event"] for log in logs] == ["loading another bundle", "bundle load cancelled by the stop"]
    assert (watched.opened, watched.taken, watched.count("refused")) == (["1"], [], 0)
    watched.watch.run(check_s=60)  # returns at once


def test_logs_that_the_deployed_bundle_is_the_running_one_again(path: Path) -> None:
    first = put(path, "1")
    content = path.read_bytes()
    watched = Watched(path, first)
    watched.look()
    path.write_bytes(content[:-10])
    watched.look(3)
    path.write_bytes(content)
    (again,) = watched.look(3)
    assert (again["event"], again["sha256"]) == ("the deployed bundle is the running one again", first)
    assert not watched.watch.outdated
    assert watched.look(3) == []


def test_a_missing_shadow_bundle_is_not_reported_as_that_of_the_line(path: Path) -> None:
    counter = Metrics(CollectorRegistry()).shadow_swaps
    watch = ModelReloader(
        lambda: resolve_bundle(path),
        lambda bundle, cancel: open_model(bundle, SETTINGS, cancel),
        lambda _: None,
        counter,
        None,
        "shadow bundle",
    )
    with capture_logs() as logs:
        watch.poll()
        watch.poll()
    (line,) = logs
    assert line["event"] == "shadow bundle rejected"
    assert line["effect"] == "no shadow runs; frames are inspected as usual"
    assert str(path) in line["error"]
