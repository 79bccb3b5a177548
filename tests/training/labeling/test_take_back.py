"""What people labelled in Label Studio or in a COCO file comes back: labels, boxes, and what is unclear."""

import json
from pathlib import Path

import pytest

from stripwatch.training.annotations.reading import read_annotations
from stripwatch.training.datasets.dataset import read_dataset
from stripwatch.training.datasets.reviewed_folder import BOXES_FILE, CSV_FILE, collected_folders, read_entries
from stripwatch.training.labeling.take_back import take_back
from stripwatch.worker.common.errors import DataError
from tests.tiny import encode_frame
from tests.training.labeling.exports import (
    BOXED,
    annotated,
    choice,
    counts,
    export,
    folders,
    novel_frame,
    rectangle,
    state,
    tasks_of,
    untouched,
)
from tests.training.labeling.review_frames import drag


def test_labels_and_boxes_of_a_half_done_export_come_back(out: Path) -> None:
    first, second, third, fourth = tasks_of(out)
    done = export(
        out,
        annotated(first, choice("pits"), rectangle("pits")),
        annotated(second, choice("clean"), by={"id": 3, "email": "ada@example.org"}),
        annotated(third, choice("_skip")),
        untouched(fourth),
    )
    summary = take_back(out, done)
    assert counts(summary, "frames", "confirmed", "corrected", "excluded", "unannotated") == [4, 1, 1, 1, 1]
    assert counts(summary, "moved", "missing", "unsorted", "boxes_changed") == [3, 1, 1, 1]
    assert folders(out) == {0: "pits", 1: "clean", 2: "_skip", 3: "_unsorted/clean"}
    entries = list(read_entries(out).values())
    assert [entry.corrected_label for entry in entries] == ["pits", "clean", "_skip", ""]
    assert [entry.corrected_by for entry in entries[:2]] == ["Label Studio user 1", "ada@example.org"]
    assert entries[0].corrected_at == "2026-11-29T18:00:00.123Z"
    dataset = read_dataset(out)
    (marks,) = read_annotations(dataset, None).marks.values()
    ((box,),) = [marks.boxes]
    assert (box.label, box.left, box.top, box.right, box.bottom) == ("pits", 12, 8, 36, 24)


def test_boxes_of_the_plant_and_of_the_review_folder_are_used_together(out: Path, tmp_path: Path) -> None:
    first, second, *_ = tasks_of(out)
    done = annotated(first, choice("pits"), rectangle("pits")), annotated(second, choice("clean"), rectangle("clean"))
    take_back(out, export(out, *done))
    images = tmp_path / "images"
    images.mkdir()
    for name in ("clean_1", "pits_1"):
        (images / f"{name}.png").write_bytes(encode_frame(0.5))
    (images / "pits_1.json").write_text(
        '{"imagePath": "pits_1.png", "imageWidth": 48, "imageHeight": 32, "version": "5", "flags": {},'
        '"shapes": [{"label": "pits", "shape_type": "rectangle", "points": [[2, 2], [8, 8]]}]}'
    )
    dataset = read_dataset(images, also=[out])
    assert collected_folders(images, (sample.name for sample in dataset.samples)) == [images / ".." / "review"]
    both = read_annotations(dataset, images, clean_label="clean")
    assert sorted(Path(name).name for name in both.marks) == sorted([*(f"{n}.png" for n in BOXED), "pits_1.png"])
    assert both.format == "labelme and coco"
    assert not any("are not annotated" in note for note in both.notes)
    assert len(read_annotations(dataset, None).marks) == 2
    assert len(read_annotations(dataset, out / BOXES_FILE).marks) == 2, "the same file is not read twice"


def test_the_same_file_again_changes_nothing(out: Path) -> None:
    tasks = tasks_of(out)
    done = export(out, *(annotated(task, choice("clean"), rectangle("pits", 10.3)) for task in tasks))
    first = take_back(out, done)
    before = state(out)
    second = take_back(out, done)
    assert counts(first, "moved", "boxes_changed") == [4, 4]
    assert counts(second, "moved", "boxes_changed", "sorted_by_hand", "older") == [0, 0, 0, 0]
    assert state(out) == before


def test_a_later_decision_replaces_an_earlier_one_in_any_order(out: Path) -> None:
    first, second, *_ = tasks_of(out)
    early = [annotated(first, choice("pits"), rectangle("pits")), annotated(second, choice("pits"), rectangle("pits"))]
    late = [
        annotated(first, choice("clean"), at="2026-11-29T19:00:00Z"),
        annotated(second, choice("pits"), rectangle("pits", 0), at="2026-11-29T19:00:00Z"),
    ]
    take_back(out, export(out, *early))
    take_back(out, export(out, *late))
    before = state(out)
    assert folders(out) == {0: "clean", 1: "pits", 2: "_unsorted/clean", 3: "_unsorted/clean"}
    content = json.loads((out / BOXES_FILE).read_text())
    assert [each["bbox"] for each in content["annotations"]] == [[0, 8, 24, 16]], (
        "the box of the first frame is removed"
    )
    summary = take_back(out, export(out, *early))
    assert (summary["older"], state(out)) == (1, before)


def test_people_who_disagree_leave_the_frame_where_it_is(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first, second, third, _ = tasks_of(out)
    done = export(
        out,
        annotated(annotated(first, choice("pits"), by=1), choice("clean"), by=2),
        annotated(annotated(second, choice("pits"), by=1), choice("clean"), by=2, ground_truth=True),
        annotated(annotated(third, choice("clean")), choice("clean"), rectangle("clean"), at="2026-11-29T19:00:00Z"),
    )
    summary = take_back(out, done)
    assert counts(summary, "conflicts", "corrected", "confirmed") == [1, 1, 1]
    assert folders(out) == {0: "_unsorted/pits", 1: "clean", 2: "clean", 3: "_unsorted/clean"}
    assert "is labelled 'pits' by Label Studio user 1 and 'clean' by Label Studio user 2" in capfd.readouterr().err
    assert len(json.loads((out / BOXES_FILE).read_text())["annotations"]) == 1, "the boxes of the latest annotation"


def test_boxes_of_a_frame_that_is_excluded_later_are_removed(out: Path) -> None:
    first, second, *_ = tasks_of(out)
    tasks = [annotated(each, choice("pits"), rectangle("pits")) for each in (first, second)]
    take_back(out, export(out, *tasks))
    again = annotated(first, choice("_skip"), rectangle("pits"), at="2026-11-29T19:00:00Z")
    summary = take_back(out, export(out, again))
    assert counts(summary, "excluded", "boxes_changed", "frames_with_boxes") == [1, 1, 1]
    before = state(out)
    assert take_back(out, export(out, again))["boxes_changed"] == 0
    assert state(out) == before


def test_boxes_of_frames_that_are_not_used_are_not_mentioned(out: Path) -> None:
    tasks = tasks_of(out)
    take_back(out, export(out, *(annotated(each, choice("pits"), rectangle("pits")) for each in tasks[:3])))
    drag(out, 0, "_skip")
    next(out.glob("pits/*-1-*")).unlink()
    found = read_annotations(read_dataset(out, one_class=True), None)
    assert len(found.marks) == 1
    (note,) = [note for note in found.notes if "not in the data set" in note]
    assert note == f"note: annotations of images that are not in the data set: 1 ({BOXED[1]}.png)"


def test_two_tasks_of_one_frame_are_compared_as_well(out: Path) -> None:
    first, *_ = tasks_of(out)
    summary = take_back(out, export(out, annotated(first, choice("pits")), annotated(first, choice("clean"))))
    assert counts(summary, "frames", "conflicts") == [1, 1]


def test_the_work_of_a_person_in_the_folders_is_kept(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tasks = tasks_of(out)
    drag(out, 0, "clean")  # contradicts the export
    drag(out, 1, "_unsorted/clean")  # agrees with it
    drag(out, 2, "clean")  # agrees with it
    done = export(
        out,
        annotated(tasks[0], choice("pits"), rectangle("pits")),
        *(annotated(t, choice("clean")) for t in tasks[1:3]),
    )
    summary = take_back(out, done)
    assert (summary["sorted_by_hand"], summary["moved"]) == (1, 1)
    assert folders(out) == {0: "clean", 1: "clean", 2: "clean", 3: "_unsorted/clean"}
    assert "sorted by hand" in capfd.readouterr().err
    assert not (out / BOXES_FILE).exists(), "boxes of a label that the frame does not have are not kept"


def test_all_problems_are_reported_and_nothing_is_changed(out: Path) -> None:
    first, second, third, fourth = tasks_of(out)
    before = state(out)
    done = export(
        out,
        annotated(first, choice("pit")),
        annotated(second, choice("pits"), rectangle("pits", 90, 0, 50, 50)),
        annotated(third, choice("clean"), rectangle("Clean")),
        annotated(fourth, choice("../up")),
    )
    with pytest.raises(DataError) as caught:
        take_back(out, done)
    text = str(caught.value)
    assert text.startswith("4 problems in ")
    assert "the model has no label 'pit'; did you mean 'pits'? Use --new-labels to accept it" in text
    assert "a box of 'pits' is outside the image of 48x32 pixels" in text
    assert "the model has no label 'Clean'; did you mean 'clean'?" in text
    assert "'../up' is not a valid label" in text
    assert state(out) == before


def test_an_image_of_another_size_is_refused(out: Path) -> None:
    first, *_ = tasks_of(out)
    turned = rectangle("pits") | {"original_width": 32, "original_height": 48}
    with pytest.raises(DataError, match="width and height are exchanged"):
        take_back(out, export(out, annotated(first, choice("pits"), turned)))


def test_a_new_kind_of_defect_is_named_by_the_person(out: Path) -> None:
    first, second, *_ = tasks_of(out)
    name = {"from_name": "new_label", "to_name": "image", "type": "textarea", "value": {"text": ["scale"]}}
    done = export(out, annotated(first, choice("_new"), name, rectangle("_unnamed")), annotated(second, choice("_new")))
    with pytest.raises(DataError, match="the model has no label 'scale'"):
        take_back(out, done)
    summary = take_back(out, done, new_labels=True)
    assert (summary["corrected"], summary["conflicts"]) == (1, 1)
    assert folders(out)[0] == "scale"
    assert json.loads((out / BOXES_FILE).read_text())["categories"] == [{"id": 1, "name": "scale"}]


def test_the_skip_button_leaves_a_frame_for_later(out: Path) -> None:
    first, *_ = tasks_of(out)
    summary = take_back(out, export(out, annotated(first, was_cancelled=True)))
    assert counts(summary, "postponed", "moved") == [1, 0]


def test_json_min_is_read_as_well(out: Path) -> None:
    first, second, third, fourth = tasks_of(out)
    size = {"original_width": 48, "original_height": 32}
    value = {"x": 25, "y": 25, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["pits"]}
    stated = {"id": 1, "annotator": 1, "annotation_id": 7, "created_at": "2026-11-29T18:00:00Z", "updated_at": None}
    open_task = {"annotator": None, "annotation_id": None, "created_at": None, "updated_at": None}
    done = export(
        out,
        {**first["data"], **stated, "label": "pits", "boxes": [value | size]},
        {**second["data"], **stated, "label": "_new", "new_label": "scale"},
        {**third["data"], **stated, "label": {"choices": ["pits"]}},
        {**fourth["data"], **stated, **open_task},
    )
    summary = take_back(out, done, new_labels=True)
    assert counts(summary, "confirmed", "corrected", "unannotated", "boxes_changed") == [1, 2, 1, 1]
    assert folders(out) == {0: "pits", 1: "scale", 2: "pits", 3: "_unsorted/clean"}


def test_a_novel_frame_counts_as_corrected_whatever_its_label(tmp_path: Path) -> None:
    out = novel_frame(tmp_path / "review")
    (task,) = tasks_of(out)
    assert take_back(out, export(out, annotated(task, choice("pits"))))["corrected"] == 1
    assert folders(out) == {9: "pits"}


def test_boxes_of_a_person_are_not_overwritten_by_a_file_of_other_kind(out: Path) -> None:
    (out / BOXES_FILE).write_text('{"mine": 1}')
    first, *_ = tasks_of(out)
    with pytest.raises(DataError, match="is not a COCO file"):
        take_back(out, export(out, annotated(first, choice("pits"), rectangle("pits"))))
    assert (out / BOXES_FILE).read_text() == '{"mine": 1}'
    assert "_unsorted" in (out / CSV_FILE).read_text()
