"""What people labelled in a tool that exports COCO comes back. COCO states neither persons nor times."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from stripwatch.training.datasets.reviewed_folder import BOXES_FILE, read_entries
from stripwatch.training.labeling.handover.hand_over import hand_over
from stripwatch.training.labeling.take_back import take_back
from stripwatch.worker.common.errors import DataError, InputError
from tests.training.labeling.exports import (
    BOXED,
    annotated,
    choice,
    counts,
    export,
    folders,
    state,
    tasks_of,
    write,
)
from tests.training.labeling.review_frames import files


def coco(out: Path, boxes: dict[int, list[str]], sure: bool = True) -> Path:
    """Return a COCO file as a tool exports it: the labels of the boxes by number of the frame."""
    content = json.loads(hand_over(out, "coco", again=True).files["annotations"].read_text())
    content["annotations"] = []
    names = [each["name"] for each in content["categories"]]
    for image in content["images"]:
        for label in boxes.get(int(image["file_name"].split("-")[2]), []):
            ids = {"id": len(content["annotations"]) + 1, "image_id": image["id"]}
            shape = {"bbox": [4, 4, 10, 10], "category_id": names.index(label) + 1, "segmentation": []}
            content["annotations"].append(ids | shape)
    if sure:
        content["info"] = {"description": "exported"}
    return write(out.with_name("coco.json"), content)


def test_a_coco_file_labels_frames_by_their_boxes(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    done = coco(out, {0: ["pits", "pits"], 1: ["pits", "clean"], 2: ["pits"]})
    summary = take_back(out, done)
    assert counts(summary, "confirmed", "corrected", "conflicts", "without_label") == [1, 1, 1, 1]
    assert folders(out) == {0: "pits", 1: "_unsorted/pits", 2: "pits", 3: "_unsorted/clean"}
    said = capfd.readouterr().err
    assert "has boxes of clean and pits, and nothing states which of them is its label" in said
    assert "1 frames were annotated but have no label; choose one in the tool, or add --no-defect LABEL if" in said
    summary = take_back(out, done, no_defect="clean")
    assert counts(summary, "without_label", "labelled_no_defect") == [0, 1]
    name = Path(next(file for file in files(out) if "-3-" in file)).name
    assert (
        f"1 frames without boxes are labelled 'clean'; COCO does not state who has checked them: {name}"
        in capfd.readouterr().err
    )
    assert folders(out)[3] == "clean"
    before = state(out)
    copy = Path(shutil.copy(done, out.with_name("copy.json")))  # with another time
    take_back(out, copy, no_defect="clean")
    assert state(out) == before


@pytest.mark.parametrize("at", ["2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"])
@pytest.mark.parametrize("is_first", [False, True])
def test_a_coco_file_never_replaces_a_label_that_a_person_gave_at_a_known_time(
    out: Path, capfd: pytest.CaptureFixture[str], at: str, is_first: bool
) -> None:
    first, *_ = tasks_of(out)
    theirs = coco(out, {0: ["pits"], 1: ["pits"]})
    mine = export(out, annotated(first, choice("clean"), at=at, by={"email": "ada@example.org"}))
    for path in (theirs, mine, theirs) if is_first else (mine, theirs):
        summary = take_back(out, path)
    assert (summary["older"], folders(out)[0], folders(out)[1]) == (1, "clean", "pits")
    assert (
        "1 frames keep their label, because the file does not state when it was corrected: "
        f"{BOXED[0]} is 'clean' by ada@example.org, not 'pits'"
    ) in capfd.readouterr().err
    entries = list(read_entries(out).values())
    assert [entry.corrected_time for entry in entries[:3]] == ["", "file", ""]
    content = json.loads((out / BOXES_FILE).read_text())
    assert [each["file_name"] for each in content["images"]] == [f"{BOXED[1]}.png"]


def test_a_later_coco_file_replaces_an_earlier_one_and_adds_boxes_to_a_confirmed_frame(out: Path) -> None:
    first, *_ = tasks_of(out)
    early = coco(out, {0: ["pits"], 1: ["pits"]}).rename(out.with_name("early.json"))
    later = coco(out, {0: ["pits"], 1: ["clean"]})
    take_back(out, export(out, annotated(first, choice("pits"), at="2020-01-01T00:00:00Z")))
    take_back(out, early)
    assert read_entries(out)[BOXED[0]].corrected_at == "2020-01-01T00:00:00.000Z", "of the person"
    os.utime(later, (2e9, 2e9))
    summary = take_back(out, later)
    assert counts(summary, "older", "frames_with_boxes") == [0, 2]
    assert (folders(out)[0], folders(out)[1]) == ("pits", "clean")


def test_the_file_of_predictions_is_not_taken_for_the_work_of_a_person(out: Path) -> None:
    with pytest.raises(DataError, match="states that no person has checked it"):
        take_back(out, coco(out, {0: ["pits"]}, sure=False))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"data": {"image": "a.png"}, "predictions": []}], "contains tasks without annotations"),
        ([], "contains no tasks"),
        ({"a": 1}, "is neither a JSON or JSON-MIN export of Label Studio nor a COCO file"),
    ],
)
def test_another_file_is_refused_with_a_reason(out: Path, content: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        take_back(out, write(out.with_name("other.json"), content))


def test_a_folder_is_refused(out: Path) -> None:
    with pytest.raises(InputError, match="is a folder; pass the file that the labelling tool exported"):
        take_back(out, out)
