from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stripwatch.export.runs.cell_boxes import BoxRegressor
from stripwatch.worker.common.errors import InputError


def regressor(**changes: Any) -> BoxRegressor:
    rng = np.random.default_rng(0)
    shapes = {"hidden_kernel": (6, 3), "hidden_bias": (3,), "kernel": (3, 10), "bias": (10,)}
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return BoxRegressor(**(arrays | changes))


def test_reads_what_was_written(tmp_path: Path) -> None:
    written = regressor()
    written.write(tmp_path / "boxes.npz")
    read = BoxRegressor.read(tmp_path / "boxes.npz")
    assert read.labels == 2
    np.testing.assert_array_equal(read.kernel, written.kernel)
    np.testing.assert_array_equal(read.hidden_bias, written.hidden_bias)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bias": np.zeros(9, np.float32)}, "shapes do not fit"),
        ({"hidden_bias": np.zeros(4, np.float32)}, "shapes do not fit"),
        ({"hidden_bias": np.full(3, np.nan, np.float32)}, "not finite"),
    ],
)
def test_rejects_malformed_weights(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    regressor(**changes).write(tmp_path / "boxes.npz")
    with pytest.raises(InputError, match=rf"boxes\.npz.*{message}"):
        BoxRegressor.read(tmp_path / "boxes.npz")


def test_rejects_another_file(tmp_path: Path) -> None:
    (tmp_path / "boxes.npz").write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"not an \.npz file"):
        BoxRegressor.read(tmp_path / "boxes.npz")
    np.savez(tmp_path / "other.npz", kernel=np.zeros(3))
    with pytest.raises(InputError, match="not a box regressor"):
        BoxRegressor.read(tmp_path / "other.npz")
