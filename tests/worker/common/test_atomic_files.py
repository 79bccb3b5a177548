from contextlib import suppress
from pathlib import Path

import pytest

from stripwatch.worker.common.atomic_files import named_when_whole


@pytest.mark.parametrize("folder", [False, True])
def test_a_file_or_a_folder_has_its_name_when_it_is_whole(tmp_path: Path, folder: bool) -> None:
    with named_when_whole(tmp_path / "a.jsonl") as part:
        part.mkdir() if folder else part.write_bytes(b"new")
        assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl.part"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.jsonl"]


def test_what_is_cut_off_keeps_the_suffix_and_the_earlier_file_its_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with suppress(KeyboardInterrupt), named_when_whole(tmp_path / "a") as part:
        part.write_bytes(b"half")
        raise KeyboardInterrupt
    assert [(tmp_path / name).read_bytes() for name in ("a", "a.part")] == [b"old", b"half"]
