from collections import Counter
from pathlib import Path

import cv2
import pytest

from stripwatch.worker.common.errors import InputError
from stripwatch.worker.simulator import dataset_writer
from stripwatch.worker.simulator.dataset_writer import write_dataset
from stripwatch.worker.simulator.scene import KINDS
from tests.worker.conftest import CommandLine, last_json, read_lines


def test_labels_are_balanced_and_truth_jsonl_covers_every_file(tmp_path: Path, command_line: CommandLine) -> None:
    out = tmp_path / "new" / "set"
    code, stdout, _ = command_line("simulate", "--out", out, "--frames", "12", "--shape", "64x96", "--seed", "5")
    assert code == 0
    truth = read_lines(out / "truth.jsonl")
    images = sorted(path.name for path in out.glob("*.jpg"))
    assert sorted(line["file"] for line in truth) == images
    assert Counter(line["label"] for line in truth) == dict.fromkeys(KINDS, 2)
    assert all(line["file"] == f"{line['label']}_{number:06d}.jpg" for number, line in enumerate(truth))
    assert all(bool(line["boxes"]) == (line["label"] != "clean") for line in truth)
    image = cv2.imread(str(out / images[0]), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert image.shape == (64, 96)
    assert last_json(stdout)["labels"] == dict.fromkeys(KINDS, 2)


def test_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_dataset(tmp_path / name, 6, (64, 64), seed)
    contents = [[path.read_bytes() for path in sorted((tmp_path / name).iterdir())] for name in "abc"]
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


def test_accepts_an_empty_folder(tmp_path: Path) -> None:
    write_dataset(tmp_path, 1, (64, 64), 1)
    assert (tmp_path / "clean_000000.jpg").exists()


def test_refuses_a_folder_that_is_not_empty(tmp_path: Path, command_line: CommandLine) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    code, stdout, stderr = command_line("simulate", "--out", tmp_path, "--frames", "6")
    assert (code, stdout) == (6, "")
    assert stderr == f"error: {tmp_path} is not an empty folder; choose a new or empty folder for --out\n"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_interrupted_run_leaves_no_training_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "set"
    monkeypatch.setattr(dataset_writer, "encode_jpeg", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(out, 6, (64, 64), 1)
    assert not out.exists()
    with pytest.raises(InputError, match=r"set\.part is left over from an interrupted run"):
        write_dataset(out, 6, (64, 64), 1)


def _interrupt(*_: object) -> bytes:
    raise KeyboardInterrupt
