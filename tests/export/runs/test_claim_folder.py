from pathlib import Path

import pytest

from stripwatch.export.runs.claim_folder import claim_folder, claimed_folder, is_interrupted, require_free
from stripwatch.export.runs.run_folder import read_run, write_run
from stripwatch.worker.common.errors import InputError
from tests.export.runs.records import MODEL, RUN

LEFT = (
    "model.keras",
    "model.part.keras",
    "novelty.npz",
    "history.csv",
    "history.csv.part",
    "run.json.part",
    ".stripwatch-0123456789abcdef.part",
    "features-0.npy",
    "features-0.npy.part",
    "fine-tune.weights.h5",
    "part.weights.h5",
)


def test_files_of_a_killed_run_are_cleared_or_kept_with_resume(tmp_path: Path) -> None:
    for name in LEFT:
        (tmp_path / name).touch()
    (tmp_path / "begun.json").touch()
    claim_folder(tmp_path, resume=True)
    assert len(list(tmp_path.iterdir())) == len(LEFT) + 1


@pytest.mark.parametrize("result", ["features-0.npy", "model.keras", "head.weights.h5"])
def test_an_interrupted_fit_is_continued_or_refused_but_never_overwritten(tmp_path: Path, result: str) -> None:
    for name in ("begun.json", result):
        (tmp_path / name).touch()
    assert is_interrupted(tmp_path)
    for refuse in (require_free, claim_folder):
        with pytest.raises(InputError, match="contains an interrupted fit; add --resume to continue it"):
            refuse(tmp_path)
    claim_folder(tmp_path, resume=True)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_fit_that_stored_nothing_is_started_again(tmp_path: Path) -> None:
    for name in ("begun.json", "features-0.npy.part", "part.weights.h5", "history.csv"):
        (tmp_path / name).touch()
    assert not is_interrupted(tmp_path)
    claim_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_resume_without_a_begun_file_clears_the_folder(tmp_path: Path) -> None:
    for name in LEFT:
        (tmp_path / name).touch()
    claim_folder(tmp_path, resume=True)
    assert list(tmp_path.iterdir()) == []


def test_files_of_a_file_manager_are_neither_foreign_nor_removed(tmp_path: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "begun.json", "model.keras"):
        (tmp_path / name).touch()
    claim_folder(tmp_path, resume=True)
    assert len(list(tmp_path.iterdir())) == 5


def test_a_second_fit_in_the_same_folder_is_refused_while_the_first_one_runs(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with claimed_folder(run):
        (run / "begun.json").touch()
        with pytest.raises(InputError, match=r"another fit writes to .*run; wait until it ends"), claimed_folder(run):
            pass
        assert (run / "begun.json").exists()
    with claimed_folder(run):
        assert list(run.iterdir()) == []


def test_leaves_a_finished_run_and_foreign_files_untouched(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tmp_path / "model.keras").write_bytes(MODEL)
    write_run(tmp_path, RUN)
    with pytest.raises(InputError, match="is a finished run"):
        claim_folder(tmp_path)
    assert read_run(tmp_path) == RUN
    foreign = tmp_path_factory.mktemp("foreign")
    (foreign / "model.keras").touch()
    (foreign / "thesis.txt").touch()
    with pytest.raises(InputError, match=r"holds 'thesis\.txt'"):
        claim_folder(foreign)
    assert len(list(foreign.iterdir())) == 2


def test_names_a_file_that_blocks_the_run_folder(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(InputError, match=r"cannot use .*run as run folder: Not a directory"):
        claim_folder(tmp_path / "run")
