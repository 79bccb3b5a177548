from pathlib import Path

import msgspec
import pytest

from stripwatch.export.runs.run_folder import Split, SplitFrame
from stripwatch.training.preparation.split_file import check_split, read_split
from stripwatch.worker.common.errors import DataError, InputError

A, B, C = (SplitFrame(f"{label}.jpg", label, f"sha {label}") for label in "abc")
SPLIT = Split([A, B], [C])


def test_a_split_is_found_in_a_record_and_in_the_data(tmp_path: Path) -> None:
    (tmp_path / "split.json").write_bytes(msgspec.json.encode({"split": SPLIT, "seed": 1}))
    assert read_split(tmp_path / "split.json") == SPLIT
    check_split(SPLIT, [C, A, B], tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"split": {"train": []}}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match=r"--split .*x\.json is no run\.json"):
        read_split(tmp_path / "x.json")
    with pytest.raises(InputError, match="cannot read"):
        read_split(tmp_path / "gone.json")


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ([A, B], r"names c\.jpg, which the data folder does not hold"),
        ([A, B, C, SplitFrame("d.jpg", "d", "")], r"leaves out 1 files of the data folder, the first is d\.jpg"),
        ([A, B, msgspec.structs.replace(C, label="a")], r"has c\.jpg as 'c'; in the data it is 'a'"),
        ([A, B, msgspec.structs.replace(C, sha256="x")], r"c\.jpg is not the file of --split split\.json any more"),
    ],
)
def test_a_split_of_other_files_is_refused(frames: list[SplitFrame], says: str) -> None:
    with pytest.raises(DataError, match=says):
        check_split(SPLIT, frames, Path("split.json"))


def test_a_file_in_both_parts_is_refused() -> None:
    with pytest.raises(DataError, match=r"names a\.jpg twice"):
        check_split(Split([A, B], [C, A]), [A, B, C], Path("split.json"))
