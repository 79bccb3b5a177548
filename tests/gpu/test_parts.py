"""Splitting, joining, and the errors for missing or damaged parts."""

from pathlib import Path

import pytest

from tests.gpu.parts import PartsError, file_sha256, join, split


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A folder with three parts of a file of 25 bytes."""
    whole = tmp_path / "whole"
    whole.write_bytes(bytes(range(25)))
    folders = split(whole, tmp_path / "parts", part_bytes=10)
    assert [folder.name for folder in folders] == ["part-00", "part-01", "part-02"]
    return tmp_path / "parts"


def test_joined_parts_equal_the_file(packed: Path, tmp_path: Path) -> None:
    joined = join(packed, tmp_path / "joined")
    assert joined.read_bytes() == bytes(range(25))
    assert file_sha256(joined) == file_sha256(tmp_path / "whole")


def test_names_a_missing_part_and_joins_nothing(packed: Path, tmp_path: Path) -> None:
    (packed / "part-01" / "data").rename(tmp_path / "elsewhere")
    (packed / "part-01" / "manifest.json").unlink()
    (packed / "part-01").rmdir()
    with pytest.raises(PartsError, match="missing: part-01 of 3 parts"):
        join(packed, tmp_path / "joined")
    assert not (tmp_path / "joined").exists()


def test_names_a_damaged_part(packed: Path, tmp_path: Path) -> None:
    (packed / "part-02" / "data").write_bytes(b"12345")
    with pytest.raises(PartsError, match="damaged: part-02"):
        join(packed, tmp_path / "joined")


def test_a_part_without_data_is_damaged(packed: Path, tmp_path: Path) -> None:
    (packed / "part-00" / "data").unlink()
    with pytest.raises(PartsError, match="damaged: part-00"):
        join(packed, tmp_path / "joined")


def test_rejects_parts_of_two_packages(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(bytes(30))
    split(tmp_path / "other", tmp_path / "others", part_bytes=10)
    for name in ("data", "manifest.json"):
        (tmp_path / "others" / "part-02" / name).replace(packed / "part-02" / name)
    with pytest.raises(PartsError, match="two different packages"):
        join(packed, tmp_path / "joined")


def test_names_a_truncated_manifest(packed: Path, tmp_path: Path) -> None:
    (packed / "part-01" / "manifest.json").write_text('{"number": 1')
    with pytest.raises(PartsError, match="manifest of part-01 is missing"):
        join(packed, tmp_path / "joined")


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PartsError, match="no part"):
        join(tmp_path, tmp_path / "joined")
