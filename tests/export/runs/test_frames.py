import hashlib
import shutil
from pathlib import Path

import msgspec
import pytest

from stripwatch.export.runs.frames import find_data
from stripwatch.export.runs.run_folder import Run, Split, SplitFrame
from stripwatch.worker.common.errors import InputError
from tests.export.runs.records import RUN


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run on four images in the folder `data`, which need not be images here."""
    folder = tmp_path / "data"
    folder.mkdir()
    frames = []
    for name in ("a.png", "b.png", "c.png", "d.png"):
        (folder / name).write_bytes(name.encode())
        frames.append(SplitFrame(name, "pits", hashlib.sha256(name.encode()).hexdigest()))
    return msgspec.structs.replace(RUN, data=str(folder), split=Split(frames[:2], frames[2:]))


def test_finds_the_data_folder_also_after_it_was_moved(run: Run, tmp_path: Path) -> None:
    assert find_data(run, None) == tmp_path / "data"
    shutil.move(tmp_path / "data", tmp_path / "moved")
    with pytest.raises(InputError, match=r"data of the run does not exist; if it was moved, pass .* with --data$"):
        find_data(run, None)
    assert find_data(run, tmp_path / "moved") == tmp_path / "moved"
    with pytest.raises(InputError, match=r"^--data .*nowhere does not exist; pass the data folder of the run$"):
        find_data(run, tmp_path / "nowhere")


def test_names_all_missing_images_at_once(run: Run, tmp_path: Path) -> None:
    for name in ("a.png", "d.png"):
        (tmp_path / "data" / name).unlink()
    with pytest.raises(InputError, match=r"data lacks 2 of 4 images of the run: a\.png, d\.png; restore .* --data$"):
        find_data(run, None)


def test_training_images_may_be_missing_if_they_are_not_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data" / "a.png").unlink()
    assert find_data(run, None, training=False) == tmp_path / "data"


def test_names_all_changed_validation_images_at_once(run: Run, tmp_path: Path) -> None:
    for name in ("a.png", "c.png", "d.png"):
        (tmp_path / "data" / name).write_bytes(b"new")
    with pytest.raises(InputError, match=r"2 of 2 validation images in .* were changed .*: c\.png, d\.png; restore"):
        find_data(run, None)
