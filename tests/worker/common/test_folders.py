from pathlib import Path

import pytest

from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.folders import (
    empty_folders_removed_on_failure,
    make_folder,
    require_outside,
    require_place,
)


@empty_folders_removed_on_failure()
def make_three(root: Path, end: BaseException) -> None:
    """Create two folders and one with a file, then raise `end`."""
    make_folder(root / "before")
    make_folder(root / "a" / "b")
    make_folder(root / "full")
    (root / "full" / "result.json").write_text("{}")
    raise end


@pytest.mark.parametrize("error", [InputError("refused"), SystemExit(3), KeyboardInterrupt()])
def test_a_failure_removes_the_empty_folders_that_were_created(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "before").mkdir()
    with pytest.raises(type(error)):
        make_three(tmp_path, error)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["before", "full"]


def test_a_success_keeps_all_folders(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        make_three(tmp_path, SystemExit(0))
    assert (tmp_path / "a" / "b").is_dir()


def test_names_a_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot create the folder .*/file/run: "):
        make_folder(tmp_path / "file" / "run")


def test_an_output_inside_a_data_folder_is_refused_also_through_a_link(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(data / "sub")
    for out in (
        data,
        data / "run",
        data / "new" / "run",
        tmp_path / "other" / ".." / "data",
        tmp_path / "link" / "run",
    ):
        with pytest.raises(InputError, match=r"^--out .* is inside the data folder"):
            require_outside("--out", out, [tmp_path / "more", data])


def test_an_output_outside_the_data_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "list.csv").write_text("")
    inputs = [tmp_path / "data", tmp_path / "list.csv"]
    for out in (None, tmp_path, tmp_path / "data-2", tmp_path / "list.csv"):
        require_outside("--out", out, inputs)


def test_a_loop_of_links_is_outside_and_cannot_be_created(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    (tmp_path / "data").mkdir()
    require_outside("--out", loop / "run", [tmp_path / "data"])
    with pytest.raises(InputError, match="cannot create the folder"):
        make_folder(loop / "run")


def test_a_file_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("")
    require_place("--csv", None)
    require_place("--csv", tmp_path / "new.csv", new=True)
    require_place("--csv", tmp_path / "old.csv")
    for path, new, problem in (
        (tmp_path, False, "is a folder; name a file"),
        (tmp_path / "gone" / "new.csv", False, "does not exist; create it first"),
        (tmp_path / "old.csv", True, "already exists; name a new file"),
    ):
        with pytest.raises(InputError, match=problem):
            require_place("--csv", path, new)
