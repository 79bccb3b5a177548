from pathlib import Path

import pytest

from stripwatch.export.runs.files import atomic_write, read_whole
from stripwatch.worker.common.errors import InputError


def test_a_file_is_replaced_and_no_part_stays(tmp_path: Path) -> None:
    for data in (b"first", b"second"):
        atomic_write(tmp_path / "a", data)
        assert read_whole(tmp_path / "a") == data
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_failed_move_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    atomic_write(tmp_path / "a", b"old")
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match=r"cannot write .*a: No space left on device"):
        atomic_write(tmp_path / "a", b"new")
    assert read_whole(tmp_path / "a") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*nothing: No such file"):
        read_whole(tmp_path / "nothing")
