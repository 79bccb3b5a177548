from pathlib import Path
from types import SimpleNamespace

import keras
import psutil
import pytest

from stripwatch.training.fitting import memory_estimate
from stripwatch.training.fitting.memory_estimate import check_memory, free_bytes
from stripwatch.worker.common.errors import SettingsError

pytestmark = pytest.mark.training


def layers() -> list[keras.layers.Layer]:
    frames = keras.Input((10, 10, 3))
    convolved = keras.layers.Conv2D(4, 3, padding="same")(frames)
    kept = keras.layers.Conv2D(2, 1)(keras.layers.BatchNormalization()(convolved))
    return list(keras.Model(frames, kept).layers)


def test_a_batch_that_cannot_fit_is_refused_with_its_size_and_what_there_is() -> None:
    needed = 1000 * 4 * (10 * 10 * 3 + 10 * 10 * 4)  # what the two convolutions take in
    check_memory(layers(), 1000, needed)
    check_memory([], 1000, 0)
    with pytest.raises(SettingsError, match=r"--batch 1000 needs more than 0\.0 GB .* has 0\.0 GB free: lower one"):
        check_memory(layers(), 1000, needed - 1)


@pytest.mark.parametrize(("limit", "expected"), [("max", 2048000), ("1000", 1000), (None, 2048000)])
def test_a_container_may_have_less(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str | None, expected: int
) -> None:
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit + "\n")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2048000))
    monkeypatch.setattr(memory_estimate, "_CONTAINER", tmp_path / "memory.max")
    assert free_bytes() == expected
