import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stripwatch.training.weights.pytorch_file import read_pytorch
from stripwatch.worker.common.errors import InputError
from tests.training.weights.checkpoints import Stored, pickled, stored, write_old, write_zip

ARRAYS: dict[str, NDArray[Any]] = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "bn.running_mean": np.array([0.5, -2], np.float16),
    "bn.num_batches_tracked": np.array([3], np.int64),
}


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this must not run",)


@pytest.mark.parametrize("old", [False, True])
def test_reads_the_tensors_of_both_layouts(old: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors, path = stored(ARRAYS), tmp_path / "model.pth"
    write_old(path, tensors, monkeypatch) if old else write_zip(path, tensors, tensors, monkeypatch)
    found = read_pytorch(path)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], array)


def test_keeps_nested_state_dicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = stored(ARRAYS)
    path = write_zip(tmp_path / "model.pth", {"epoch": 3, "model": tensors}, tensors, monkeypatch)
    assert list(read_pytorch(path)["model"]) == list(ARRAYS)


def test_runs_no_code_of_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps(Harmful()))
    with pytest.raises(InputError, match=r"builtins\.print.*save the state dict"):
        read_pytorch(path)
    assert capsys.readouterr().out == ""


def test_refuses_a_tensor_that_reaches_beyond_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = {"conv.weight": Stored("0", ARRAYS["conv.weight"], shape=(2, 3, 2, 400))}
    path = write_zip(tmp_path / "model.pth", tensors, tensors, monkeypatch)
    with pytest.raises(InputError, match="larger than the 24 numbers"):
        read_pytorch(path)


@pytest.mark.parametrize("size", [3, 40, 150, 330, 420])
def test_refuses_an_incomplete_file(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_old(tmp_path / "model.pth", stored(ARRAYS), monkeypatch)
    content = path.read_bytes()
    path.write_bytes(content[: min(size, len(content) - 1)])
    with pytest.raises(InputError, match=r"model\.pth"):
        read_pytorch(path)


def test_refuses_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.pth"
    for content in (b"", b"not a checkpoint", b"\x89PNG\r\n\x1a\n"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"model\.pth is not a checkpoint; pass a state dict that torch\.save"):
            read_pytorch(path)
    path.write_bytes(b"\x80\x02damaged")
    with pytest.raises(InputError, match=r"model\.pth cannot be read"):
        read_pytorch(path)
    path.write_bytes(pickled([1, 2], monkeypatch))
    with pytest.raises(InputError, match="not a PyTorch checkpoint"):
        read_pytorch(path)
