from pathlib import Path

import msgspec
import pytest

from stripwatch.export.runs.run_folder import Split, SplitFrame
from stripwatch.training.preparation.split_file import check_split, read_split
from stripwatch.worker.common.errors import DataError, InputError

A, B, C = (SplitFrame(f"{label}.jpg", label, f"sha {label}") for label in "abc")
SPLIT = Split([A, B], [C])


def test_reads_a_split_from_a_run_and_checks_it(tmp_path: Path) -> None:
    (tmp_path / "split.json").write_bytes(msgspec.json.encode({"split": SPLIT, "seed": 1}))
    assert read_split(tmp_path / "split.json") == SPLIT
    check_split(SPLIT, [C, A, B], tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"split": {"train": []}}'])
def test_rejects_another_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match=r"--split .*x\.json is not a run\.json"):
        read_split(tmp_path / "x.json")
    with pytest.raises(InputError, match="cannot read"):
        read_split(tmp_path / "gone.json")


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([A, B], r"contains c\.jpg, which is not in the data folder"),
        ([A, B, C, SplitFrame("d.jpg", "d", "")], r"lacks 1 files of the data folder, such as d\.jpg"),
        (
            [A, B, msgspec.structs.replace(C, label="a")],
            r"c\.jpg has the label 'c' in --split split\.json, but 'a' now",
        ),
        ([A, B, msgspec.structs.replace(C, sha256="x")], r"c\.jpg has changed since --split split\.json"),
    ],
)
def test_rejects_a_split_of_other_files(frames: list[SplitFrame], message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_split(SPLIT, frames, Path("split.json"))


def test_rejects_a_file_in_both_parts() -> None:
    with pytest.raises(DataError, match=r"contains a\.jpg twice"):
        check_split(Split([A, B], [C, A]), [A, B, C], Path("split.json"))
