"""Review frames that need a label go to a labelling tool with the model's label, scores and boxes."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from rich.progress import Progress

from stripwatch.training.datasets.dataset import read_dataset
from stripwatch.training.datasets.formats.coco import read_coco
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.reviewed_folder import read_entries
from stripwatch.training.labeling.handover import hand_over as hand_over_module
from stripwatch.training.labeling.handover import label_studio
from stripwatch.training.labeling.handover.hand_over import hand_over
from stripwatch.training.labeling.handover.label_studio import labelling_interface
from stripwatch.training.labeling.sort_frames import accept_sorted
from stripwatch.training.labeling.steps import Steps
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.terminal.outcome import Outcome
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.images.headers.reader import read_header
from stripwatch.worker.pipeline.inspect.outcomes import Prediction
from stripwatch.worker.pipeline.produce.record_builder import review_headers
from tests.frames import make_frame
from tests.raw_frames import pack, raw_headers
from tests.training.labeling.exports import novel_frame, tasks_of
from tests.training.labeling.review_frames import EVENTS, MODEL, collect, drag, reviewed

TASK_FILES = ("tasks.json", "tasks-2.json")


def test_a_task_has_the_image_the_frame_id_and_the_prediction_in_percent(out: Path) -> None:
    task = tasks_of(out)[0]
    entry = next(iter(read_entries(out).values()))
    assert task["data"]["frame_id"] == entry.id
    assert task["data"]["image"] == f"/data/local-files/?d=_label-studio/images/{entry.id}.png"
    assert (out / "_label-studio" / "images" / f"{entry.id}.png").read_bytes() == (out / entry.file).read_bytes()
    assert task["data"]["prediction"] == "neu 3: pits 0.60, clean 0.40"
    (prediction,) = task["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("neu 3", 0.6)
    choice, box = prediction["result"]
    assert (choice["type"], choice["value"]) == ("choices", {"choices": ["pits"]})
    assert (box["original_width"], box["original_height"], box["score"]) == (48, 32, 0.6)
    assert box["value"] == {"x": 25, "y": 25, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["pits"]}


def test_the_interface_offers_each_label_a_new_one_and_to_skip() -> None:
    view = ET.fromstring(labelling_interface(["a & b", "clean"]))
    assert [each.get("value") for each in view.iter("Choice")] == ["a & b", "clean", "_new", "_skip"]
    for tag in ("RectangleLabels", "PolygonLabels"):
        (shapes,) = view.iter(tag)
        assert [each.get("value") for each in shapes] == ["a & b", "clean", "_unnamed"]
    assert {each.get("toName") for each in view if each.get("toName")} == {"image"}


def test_every_predicted_value_is_in_the_interface(out: Path) -> None:
    novel_frame(out, 8)
    novel_frame(out, 9, "anomaly")
    tasks = tasks_of(out)
    view = ET.fromstring((out / "_label-studio" / "labeling-interface.xml").read_text())
    known = {each.get("value") for each in view.iter() if each.tag in ("Choice", "Label")}
    results = [result["value"] for task in tasks for each in task["predictions"] for result in each["result"]]
    assert len(results) == 8
    assert {label for value in results for label in value.get("choices", value.get("rectanglelabels"))} <= known


def test_a_novel_frame_has_no_predicted_choice_that_could_be_accepted_unseen(tmp_path: Path) -> None:
    (task,) = tasks_of(novel_frame(tmp_path / "review"))
    assert task["predictions"][0]["result"] == []
    assert "novel (9.5, threshold 4.25)" in task["data"]["prediction"]


def test_the_box_of_an_anomaly_has_no_class_yet(tmp_path: Path) -> None:
    box = '[{"label":"pits","score":0.9,"box_px":{"x":-4,"y":0,"width":100,"height":8}}]'
    collect(tmp_path / "review", reviewed(1, reason="anomaly", boxes=box))
    (task,) = tasks_of(tmp_path / "review")
    (region,) = task["predictions"][0]["result"]
    assert region["value"]["rectanglelabels"] == ["_unnamed"]
    assert (region["value"]["x"], region["value"]["width"]) == (0, 100), "clipped to the frame"


def test_coco_has_the_boxes_with_scores_in_the_usual_folders(out: Path) -> None:
    written = hand_over(out, "coco").files["annotations"]
    assert written == out / "_coco" / "annotations" / "instances_default.json"
    content = json.loads(written.read_text())
    assert [each["name"] for each in content["categories"]] == ["clean", "pits"]
    assert len(content["images"]) == len(content["annotations"]) == 4
    first = content["annotations"][0]
    assert (first["bbox"], first["area"], first["score"], first["category_id"]) == ([12, 8, 24, 16], 384, 0.6, 2)
    assert all((out / "_coco" / "images" / image["file_name"]).is_file() for image in content["images"])
    problems = Problems("coco")
    assert [len(marks.shapes) for marks in read_coco(out, [written], problems)] == [1, 1, 1, 1]
    problems.check()


def test_frames_are_handed_over_once_and_only_while_they_need_a_label(out: Path) -> None:
    drag(out, 0, "clean")
    drag(out, 1, "_skip")
    assert hand_over(out, "label-studio").summary["handed_over"] == 2
    collect(out, reviewed(6))
    second = hand_over(out, "label-studio")
    assert (second.summary["handed_over"], second.summary["handed_over_before"]) == (1, 2)
    tasks = json.loads(second.files["tasks"].read_text())
    assert [task["data"]["frame_id"].split("-")[2] for task in tasks] == ["6"]
    assert hand_over(out, "label-studio").files == {}
    assert [len(json.loads((out / "_label-studio" / name).read_text())) for name in TASK_FILES] == [2, 1]
    assert hand_over(out, "coco").summary["handed_over"] == 3, "another tool"
    assert hand_over(out, "label-studio", again=True).summary["handed_over"] == 3


@pytest.mark.parametrize(("tool", "first"), [("label-studio", "tasks"), ("coco", "instances_default")])
def test_a_file_that_nobody_may_have_imported_is_not_replaced(
    out: Path, tool: Literal["label-studio", "coco"], first: str
) -> None:
    def handed(again: bool = False) -> Outcome:
        return Steps(out, None, tool, again, "", None, False, None, False, "", False).run()

    names = [f"{first}.json", f"{first}-2.json", f"{first}-3.json"]
    before = handed()
    assert not any("earlier files" in note for note in before.notes)
    folder = next(iter(before.files.values())).parent
    content = (folder / names[0]).read_bytes()
    collect(out, reviewed(6))
    second = handed()
    assert next(iter(second.files.values())) == folder / names[1]
    assert second.notes[0] == (
        "The new file does not contain the 4 frames that were handed over before; import the earlier files as well if "
        f"you have not done so: {names[0]}"
    )
    assert handed().notes == [
        "No frame was handed over: none needs a label; 5 were handed over before "
        f"({names[1]}, {names[0]}), --again includes them."
    ]
    again = handed(again=True)
    assert (again.summary["handed_over"], next(iter(again.files.values()))) == (5, folder / names[2])
    assert again.notes[0].startswith("The new file contains all frames without a label; do not import the earlier")
    assert (folder / names[0]).read_bytes() == content


def test_the_progress_counts_the_frames_that_are_read(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress(disable=True)
    monkeypatch.setattr(hand_over_module, "new_progress", lambda: progress)
    next((out / "_unsorted").rglob("*-0-*")).write_bytes(b"no image")
    hand_over(out, "coco")
    (task,) = progress.tasks
    assert (task.description, task.completed, task.total) == ("handing over", 4, 4)


def test_images_for_the_tool_are_not_read_as_frames(out: Path) -> None:
    hand_over(out, "label-studio")
    hand_over(out, "coco")
    summary = accept_sorted(out, new_labels=False)
    assert (summary["moved"], summary["labels"]) == (4, {"clean": 2, "pits": 2})
    assert len(read_dataset(out).samples) == 4
    assert len(list((out / "_label-studio" / "images").iterdir())) == 4, "they stay where the tasks expect them"


def test_an_interrupted_handover_can_be_repeated(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(label_studio, "write_tasks", interrupt)
        with pytest.raises(KeyboardInterrupt):
            hand_over(out, "label-studio")
    assert len(list((out / "_label-studio" / "images").iterdir())) == 4
    assert hand_over(out, "label-studio").summary["handed_over"] == 4


def test_a_16_bit_frame_is_shown_as_8_bit_png_of_the_same_size(tmp_path: Path) -> None:
    buffer, layout = pack(np.full((32, 48), 2048), "Mono12p")
    frame = make_frame(1, buffer, layout=layout, headers=tuple(raw_headers(layout)))
    event = EVENTS.result(Prediction(frame, MODEL, 48, 32, (0.4, 0.6), 0.0, 0.0, 0.0), 0.0)
    collect(tmp_path / "review", Record(Position("review", 0, 1), 1, b"top-1", buffer, review_headers(event, frame)))
    hand_over(tmp_path / "review", "label-studio")
    (shown,) = (tmp_path / "review" / "_label-studio" / "images").iterdir()
    header = read_header(shown.read_bytes())
    assert (header.bits, header.width_px, header.height_px) == (8, 48, 32)
    assert np.asarray(cv2.imread(str(shown))).mean() == pytest.approx(128, abs=1)


def test_images_at_another_address(out: Path) -> None:
    written = hand_over(out, "label-studio", image_url="http://host/strips/").files["tasks"]
    urls = [task["data"]["image"] for task in json.loads(written.read_text())]
    assert all(url.startswith("http://host/strips/frames-9-") for url in urls)


def test_a_damaged_frame_is_counted_and_named(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    next((out / "_unsorted").rglob("*-0-*")).write_bytes(b"no image")
    summary = hand_over(out, "label-studio").summary
    assert (summary["handed_over"], summary["unreadable"]) == (3, 1)
    said = capfd.readouterr().err
    assert "-0-65e60bb0.png cannot be handed over: " in said
    assert "unknown image format" in said


def test_needs_a_collected_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no collected.csv; pass a folder created by 'collect"):
        hand_over(tmp_path, "coco")
