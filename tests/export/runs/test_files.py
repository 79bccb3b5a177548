import secrets
from pathlib import Path

import pytest

from stripwatch.export.runs.files import atomic_write, is_temporary, read_whole
from stripwatch.worker.common.errors import InputError


def test_replaces_a_file_and_leaves_no_part_file(tmp_path: Path) -> None:
    for data in (b"first", b"second"):
        atomic_write(tmp_path / "a", data)
        assert read_whole(tmp_path / "a") == data
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_neither_follows_nor_overwrites_an_existing_part_file_or_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "a.part").symlink_to(tmp_path / "victim")
    atomic_write(tmp_path / "a", b"new")
    assert (tmp_path / "a.part").is_symlink()

    monkeypatch.setattr(secrets, "token_hex", lambda size: "0" * 2 * size)
    (tmp_path / f".stripwatch-{'0' * 16}.part").symlink_to(tmp_path / "victim")
    with pytest.raises(InputError, match=r"cannot write .*a: File exists"):
        atomic_write(tmp_path / "a", b"newer")
    assert ((tmp_path / "victim").read_bytes(), read_whole(tmp_path / "a")) == (b"precious", b"new")


def test_a_new_file_has_the_mode_set_by_the_umask(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    atomic_write(tmp_path / "a", b"")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "no/folder"])
def test_names_an_impossible_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot write"):
        atomic_write(tmp_path / name, b"")
    with pytest.raises(InputError, match="cannot read"):
        read_whole(tmp_path / name)


def test_recognizes_files_left_by_a_killed_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "replace", lambda part, _: seen.append(part.name))
    seen: list[str] = []
    atomic_write(tmp_path / "a", b"")
    assert [is_temporary(name) for name in [*seen, "a", "a.part"]] == [True, False, False]


def test_a_failed_replacement_keeps_the_old_file_and_leaves_no_part_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    atomic_write(tmp_path / "a", b"old")
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match=r"cannot write .*a: No space left on device"):
        atomic_write(tmp_path / "a", b"new")
    assert read_whole(tmp_path / "a") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*nothing: No such file"):
        read_whole(tmp_path / "nothing")
