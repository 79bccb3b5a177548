"""Data sets as people have them: one small set per habit, with what `survey` reports and what `fit` reads."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

from stripwatch.training.datasets.dataset import read_dataset
from stripwatch.training.survey.report import summarize
from stripwatch.training.survey.survey import survey
from stripwatch.worker.common.errors import StripwatchError

SIDE_PX = 24


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng([seed, *path.as_posix().encode()[-20:]]).integers(0, 255, (SIDE_PX, SIDE_PX))
    cv2.imwrite(str(path), pixels.astype(np.uint8))


def mask(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    pixels[4:12, 8:20] = 255
    cv2.imwrite(str(path), pixels)


def pictures(root: Path, *names: str) -> None:
    for name in names:
        picture(root / name)


def masks(root: Path, *names: str) -> None:
    for name in names:
        mask(root / name)


def plain_files(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def two_classes(root: Path) -> None:
    pictures(root, "pits/1.png", "pits/2.png", "rust/3.png", "rust/4.png")


def tools_of_systems(root: Path) -> None:
    two_classes(root)
    for folder in ("@eaDir/1.png", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__MACOSX"):
        pictures(root, f"{folder}/1.png")
    pictures(root, ".ipynb_checkpoints/1-checkpoint.png", ".Trash-1000/files/1.png", "pits/.ipynb_checkpoints/1.png")
    plain_files(root, "pits/._1.png", "pits/Thumbs.db", "rust/desktop.ini", ".DS_Store", "pits/@eaDir/1.png/SYNO_M.jpg")


def photo_programs(root: Path) -> None:
    two_classes(root)
    pictures(root, "thumbnails/1.png", "pits/thumbs/1.png", "Strip Previews.lrdata/a/1.png", "README.png")
    plain_files(root, "Strip.lrcat")


def version_control(root: Path) -> None:
    two_classes(root)
    pictures(root, ".git/lfs/1.png", ".dvc/cache/1.png", "__pycache__/1.png")
    plain_files(root, ".gitattributes", "pits.dvc")


def output_of_labelme(root: Path) -> None:
    two_classes(root)
    plain_files(root, "pits/1.json")
    pictures(root, "pits/1_json/img.png", "pits/1_json/label_viz.png")
    masks(root, "pits/1_json/label.png")


def output_of_stripwatch(root: Path) -> None:
    two_classes(root)
    pictures(root, "survey/contact-1-pits.png")
    plain_files(root, "survey/survey.json")


def masks_in_a_folder(root: Path) -> None:
    two_classes(root)
    masks(root, "masks/1.png", "ground_truth/2_mask.png")


def masks_next_to_images(root: Path) -> None:
    two_classes(root)
    masks(root, "pits/1_GT.png", "rust/3_mask.png")


def photographs_in_a_mask_folder(root: Path) -> None:
    two_classes(root)
    pictures(root, "masks/1.png")


def masks_of_nothing(root: Path) -> None:
    two_classes(root)
    masks(root, "masks/task-5-annotation-3.png")


def parts_with_a_class(root: Path) -> None:
    pictures(root, "train/pits/1.png", "val/pits/2.png", "rust/3.png")


@dataclass(frozen=True, slots=True)
class Habit:
    """make: writes the data set. classes: images per class. skipped: number of skipped entries by reason.
    refused: pattern of the error of both commands.
    """

    make: Callable[[Path], None]
    classes: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    refused: str = ""


TWO = {"pits": 2, "rust": 2}
HABITS = [
    Habit(
        tools_of_systems,
        TWO,
        {"hidden": 5, "left by the operating system": 5, "left by a file server": 2, "recycle bin": 2},
    ),
    Habit(photo_programs, TWO, {"thumbnails or catalogue of a photo program": 4, "README": 1}),
    Habit(version_control, TWO, {"hidden": 3, "files of a program": 1, "type .dvc": 1}),
    Habit(output_of_labelme, TWO, {"output of labelme": 1}),
    Habit(output_of_stripwatch, TWO, {"output of stripwatch": 1}),
    Habit(masks_in_a_folder, TWO, {"mask of another image": 2}),
    Habit(masks_next_to_images, TWO, {"mask of another image": 2}),
    Habit(
        photographs_in_a_mask_folder,
        refused=r"masks/1\.png is named like the mask of another image, but looks like a photograph\. Rename",
    ),
    Habit(
        masks_of_nothing, refused=r"masks is named like annotations, but task-5-annotation-3\.png is not the mask of"
    ),
    Habit(parts_with_a_class, refused="rust, train, val, which are parts and not classes"),
]


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.make.__name__)
def test_survey_and_fit_read_the_same_images(habit: Habit, tmp_path: Path) -> None:
    habit.make(tmp_path)
    if habit.refused:
        for read in (lambda: read_dataset(tmp_path), lambda: survey(tmp_path, "auto")):
            with pytest.raises(StripwatchError, match=habit.refused):
                read()
        return
    dataset = read_dataset(tmp_path)
    assert Counter(label for sample in dataset.samples for label in sample.labels) == habit.classes
    assert Counter(each.why for each in dataset.skipped) == habit.skipped
    summary = summarize(survey(tmp_path, "auto"))
    assert (summary["classes"], summary["unreadable"]) == (habit.classes, 0)
    assert summary["files_skipped"] == sum(habit.skipped.values())
