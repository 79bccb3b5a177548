"""Frames of an export are found in the folder; labels and boxes that need attention are counted and named."""

import json
from pathlib import Path

import pytest

from stripwatch.training.datasets.reviewed_folder import BOXES_FILE
from stripwatch.training.labeling.take_back import take_back
from stripwatch.worker.common.errors import DataError
from tests.training.labeling.exports import (
    BOXED,
    annotated,
    choice,
    collected,
    counts,
    export,
    folders,
    rectangle,
    state,
    tasks_of,
)


def test_what_is_left_of_a_wrong_prediction_does_not_become_truth(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = collected(tmp_path / "review", no_defect="clean")
    first, second, third, fourth = tasks_of(out)
    untouched_box = rectangle("clean") | {"origin": "prediction"}
    done = export(
        out,
        annotated(first, choice("clean"), rectangle("pits")),
        annotated(second, choice("pits"), untouched_box),
        annotated(third, choice("pits"), rectangle("_unnamed") | {"origin": "prediction"}),
        annotated(fourth, choice("pits"), rectangle("pits", 0), rectangle("clean")),
    )
    summary = take_back(out, done)
    assert counts(summary, "other_boxes", "frames_with_boxes", "boxes_dropped") == [1, 2, 2]
    said = capfd.readouterr().err
    assert "1 frames have boxes of other labels than their own" in said
    assert (
        "1 frames have boxes of the model that nobody touched, with another label than the frame; these boxes are "
        f"dropped. If one shows a defect, move it or draw it again in the tool: {BOXED[1]} (1)"
    ) in said
    assert f"1 frames without a defect have boxes, which are dropped: {BOXED[0]} (1)" in said
    content = json.loads((out / BOXES_FILE).read_text())
    names = {each["id"]: each["name"] for each in content["categories"]}
    assert [names[each["category_id"]] for each in content["annotations"]] == ["pits", "pits", "clean"]


def test_dropped_boxes_are_counted_once_per_frame_and_not_on_excluded_frames(tmp_path: Path) -> None:
    out = collected(tmp_path / "review", no_defect="clean")
    first, second, third, _ = tasks_of(out)
    of_model = rectangle("pits") | {"origin": "prediction"}
    done = export(
        out,
        annotated(first, choice("clean"), of_model, of_model),
        annotated(second, choice("_skip"), of_model),
        annotated(annotated(third, choice("clean"), of_model), choice("clean"), at="2026-11-29T19:00:00Z"),
    )
    assert counts(take_back(out, done), "boxes_dropped", "frames_with_boxes") == [2, 0]


def test_frames_of_other_folders_are_left_out_and_named(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first, *_ = tasks_of(out)
    strange = {"data": {"frame_id": "elsewhere-1", "image": "/data/upload/1/elsewhere-1.png"}}
    summary = take_back(out, export(out, annotated(first, choice("pits")), annotated(strange, choice("pits"))))
    assert counts(summary, "unknown", "moved") == [1, 1]
    assert "1 frames are not in the folder and are left out: elsewhere-1" in capfd.readouterr().err
    skipped = summary["file_counts"]["skipped"]
    assert skipped["in the export, but not in the folder"] == {"files": 1, "first": ["elsewhere-1"]}
    with pytest.raises(DataError, match="none of its 1 frames is in"):
        take_back(out, export(out, annotated(strange, choice("pits"))))


def test_a_task_without_frame_id_is_found_by_its_image(out: Path) -> None:
    first, *_ = tasks_of(out)
    name = Path(first["data"]["image"]).name
    uploaded = {"data": {"image": f"/data/upload/3/0a1b2c3d-{name}"}}
    take_back(out, export(out, annotated(uploaded, choice("clean"))))
    assert folders(out)[0] == "clean"


def test_new_labels_of_two_people_that_look_alike_are_refused(out: Path) -> None:
    first, second, third, fourth = tasks_of(out)
    before = state(out)
    done = export(
        out,
        annotated(first, choice("Scale")),
        annotated(second, choice("scale")),
        annotated(third, choice("PITS")),
        annotated(fourth, choice("oil")),
    )
    with pytest.raises(DataError) as caught:
        take_back(out, done, new_labels=True)
    text = str(caught.value)
    assert text.startswith("2 problems in ")
    assert "the model has no label 'PITS'; did you mean 'pits'? The names look alike; use the same spelling" in text
    assert f"the new labels 'Scale' ({out.with_name('export.json')}: task 1 (frame {BOXED[0]})) and 'scale' (" in text
    assert state(out) == before
