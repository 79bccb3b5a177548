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


def test_rejects_a_batch_that_exceeds_the_free_memory() -> None:
    needed = 1000 * 4 * (10 * 10 * 3 + 10 * 10 * 4)  # inputs of the two convolutions
    check_memory(layers(), 1000, needed)
    check_memory([], 1000, 0)
    with pytest.raises(
        SettingsError, match=r"--batch 1000 needs more than 0\.0 GB .* only 0\.0 GB are free; reduce one"
    ):
        check_memory(layers(), 1000, needed - 1)


@pytest.mark.parametrize(("limit", "expected"), [("max", 2048000), ("1000", 1000), (None, 2048000)])
def test_respects_the_memory_limit_of_a_container(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str | None, expected: int
) -> None:
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit + "\n")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2048000))
    monkeypatch.setattr(memory_estimate, "_CONTAINER", tmp_path / "memory.max")
    assert free_bytes() == expected
