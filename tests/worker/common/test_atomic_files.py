from contextlib import suppress
from pathlib import Path

import pytest

from stripwatch.worker.common.atomic_files import rename_when_complete


@pytest.mark.parametrize("folder", [False, True])
def test_renames_a_complete_file_or_folder(tmp_path: Path, folder: bool) -> None:
    with rename_when_complete(tmp_path / "a.jsonl") as part:
        part.mkdir() if folder else part.write_bytes(b"new")
        assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl.part"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_incomplete_output_keeps_the_suffix_and_the_earlier_file_is_unchanged(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with suppress(KeyboardInterrupt), rename_when_complete(tmp_path / "a") as part:
        part.write_bytes(b"half")
        raise KeyboardInterrupt
    assert [(tmp_path / name).read_bytes() for name in ("a", "a.part")] == [b"old", b"half"]
