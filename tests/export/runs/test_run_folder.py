from pathlib import Path

import msgspec
import pytest

from stripwatch.export.runs.run_folder import (
    claim_folder,
    read_run,
    write_run,
)
from stripwatch.worker.common.errors import InputError
from tests.export.runs.records import MODEL, RUN


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.keras").write_bytes(MODEL)
    write_run(tmp_path, RUN)
    return tmp_path


def test_what_was_written_is_read(folder: Path) -> None:
    assert read_run(folder) == RUN


def test_fields_of_a_later_version_are_passed_over(folder: Path) -> None:
    record = msgspec.json.decode((folder / "run.json").read_bytes())
    (folder / "run.json").write_bytes(msgspec.json.encode(record | {"mood": "good"}))
    assert read_run(folder) == RUN


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (b'{"schema": "stripwatch.run/2"}', "is 'stripwatch.run/2'; this version reads 'stripwatch.run/1'"),
        (b'{"schema": "stripwatch.run/1"}', "is malformed: Object missing required field"),
        (b'{"schema": "stripw', "is malformed: Input data was truncated"),
        (b"{}", "is malformed"),
    ],
)
def test_another_or_broken_record_is_refused(folder: Path, record: bytes, says: str) -> None:
    (folder / "run.json").write_bytes(record)
    with pytest.raises(InputError, match=says):
        read_run(folder)


def test_a_folder_without_a_record_is_no_finished_run(folder: Path) -> None:
    (folder / "run.json").unlink()
    with pytest.raises(InputError, match="is no finished run"):
        read_run(folder)


def test_another_model_than_the_recorded_one_is_refused(folder: Path) -> None:
    (folder / "model.keras").write_bytes(b"another")
    with pytest.raises(InputError, match=r"model\.keras is not the model that run\.json describes"):
        read_run(folder)


def test_a_missing_folder_or_model_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match="there is no run folder"):
        read_run(folder / "nowhere")
    (folder / "model.keras").unlink()
    with pytest.raises(InputError, match=r"cannot read .*model\.keras"):
        read_run(folder)


def test_a_run_of_an_older_version_has_the_head_by_its_new_name(folder: Path) -> None:
    record = msgspec.json.decode((folder / "run.json").read_bytes())
    record["configuration"]["head"] = "article"
    (folder / "run.json").write_bytes(msgspec.json.encode(record))
    assert read_run(folder).configuration.head == "paper-baseline"


LEFT = (
    "model.keras",
    "model.part.keras",
    "history.csv",
    "history.csv.part",
    "run.json.part",
    ".stripwatch-0123456789abcdef.part",
    "features-0.npy",
    "features-0.npy.part",
    "fine-tune.weights.h5",
    "part.weights.h5",
)


def test_what_a_killed_run_left_is_cleared_or_kept_to_continue(tmp_path: Path) -> None:
    for name in LEFT:
        (tmp_path / name).touch()
    (tmp_path / "begun.json").touch()
    claim_folder(tmp_path, resume=True)
    assert len(list(tmp_path.iterdir())) == len(LEFT) + 1
    claim_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_note_of_what_was_begun_there_is_nothing_to_continue_from(tmp_path: Path) -> None:
    for name in LEFT:
        (tmp_path / name).touch()
    claim_folder(tmp_path, resume=True)
    assert list(tmp_path.iterdir()) == []


def test_a_finished_run_and_a_foreign_folder_stay_untouched(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(InputError, match="is a finished run"):
        claim_folder(folder)
    assert read_run(folder) == RUN
    foreign = tmp_path_factory.mktemp("foreign")
    (foreign / "model.keras").touch()
    (foreign / "thesis.txt").touch()
    with pytest.raises(InputError, match=r"holds 'thesis\.txt'"):
        claim_folder(foreign)
    assert len(list(foreign.iterdir())) == 2


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(InputError, match=r"cannot use .*run as run folder"):
        claim_folder(tmp_path / "run")
