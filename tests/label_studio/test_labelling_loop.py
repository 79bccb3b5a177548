"""The labelling loop with a real Label Studio: review frames, import, corrections, export, training, and its effect."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import stripwatch
from stripwatch.training.datasets.reviewed_folder import BOXES_FILE, read_entries
from stripwatch.worker.contracts.header_names import CONTENT_TYPE
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder, timing_ms
from stripwatch.worker.pipeline.produce.record_builder import review_headers
from tests.brokers.handle import BrokerHandle
from tests.brokers.plugin import absence_is_a_skip
from tests.e2e.line import Line, collect
from tests.frames import make_frame
from tests.label_studio.server import LabelStudio, LabelStudioUnavailableError, label_studio
from tests.trained import FRAME_PX, tiny_fit, write_textures

pytestmark = [pytest.mark.long, pytest.mark.training, pytest.mark.kafka]

REVIEWED_A_LABEL, HELD_OUT_A_LABEL = 12, 12
KNOWN, UNKNOWN = ("plain", "spots"), "stripes"  # the first model was not trained on stripes
BOX = {"x": 10.0, "y": 20.0, "width": 50.0, "height": 25.0}  # in percent


@pytest.fixture
def review(tmp_path: Path) -> Path:
    return tmp_path / "review"


@pytest.fixture
def tool(review: Path) -> Iterator[LabelStudio]:
    with absence_is_a_skip(LabelStudioUnavailableError), label_studio(document_root=review) as running:
        yield running


def fitted(data: Path, out: Path, weights: Path, *also: Path) -> LoadedModel:
    """Fit and export a model, and load its bundle."""
    from stripwatch.export.convert.export_run import ExportSettings, export_run
    from stripwatch.training.fitting.fit import fit

    settings = tiny_fit(data, out, weights=str(weights), seed=3, val_share=0.25, also=also)
    fit(replace(settings, epochs=60, learning_rate=0.1, dropout=0.0, clean_label="plain", novelty_false_alarms=None))
    export_run(ExportSettings(out, out.with_suffix(".onnx")))
    return stripwatch.load_model(out.with_suffix(".onnx"))


def accuracy(model: LoadedModel, folder: Path) -> float:
    """Return the share of images whose label is predicted."""
    images = sorted(folder.glob("*.png"))
    found = model.inspect_batch([path.read_bytes() for path in images])
    return sum(seen.label == path.stem.partition("_")[0] for seen, path in zip(found, images, strict=True)) / len(
        images
    )


def publish(line: Line, model: LoadedModel, folder: Path) -> dict[str, str]:
    """Publish all images as review frames with the prediction of a model. Returns the true label by frame id."""
    truth: dict[str, str] = {}
    with line.broker.producer() as producer:
        for number, path in enumerate(sorted(folder.glob("*.png"))):
            frame = make_frame(number, path.read_bytes(), headers=((CONTENT_TYPE, b"image/png"),))
            event = EventBuilder({}).inspected(
                frame, model.info, model.inspect(frame.encoded), timing_ms(frame, frame.received_s, 0.0)
            )
            headers = review_headers(event, frame)
            producer.send(line.topics["review"], frame.encoded, key=b"top-1", headers=headers).get(timeout=60)
            truth[frame.id] = path.stem.partition("_")[0]
    return truth


def import_tasks(tool: LabelStudio, folder: Path) -> int:
    """Set up a project as the how-to guide describes it, and return its number."""
    interface = (folder / "labeling-interface.xml").read_text()
    project: int = tool.call("POST", "/api/projects", {"title": "Review frames", "label_config": interface})["id"]
    storage = {"project": project, "path": str(folder), "use_blob_urls": True, "title": "Review frames"}
    tool.call("POST", "/api/storages/localfiles", storage)
    tool.call("POST", f"/api/projects/{project}/import", json.loads((folder / "tasks.json").read_text()))
    return project


def decided(task: dict[str, Any], truth: str) -> list[dict[str, Any]]:
    """Return what a person submits: the prediction with the true label. On new defects, a box replaces those shown."""
    result = [each for each in task["predictions"][0]["result"] if each["type"] != "choices"]
    ids = {"to_name": "image", "id": "mine"}
    if truth in KNOWN:
        label = {**ids, "from_name": "label", "type": "choices", "value": {"choices": [truth]}}
        return [label, *(result if truth == "spots" else [])]
    size = {"original_width": FRAME_PX, "original_height": FRAME_PX, "image_rotation": 0}
    return [
        {**ids, "from_name": "label", "type": "choices", "value": {"choices": ["_new"]}},
        {**ids, "from_name": "new_label", "type": "textarea", "value": {"text": [truth]}},
        {
            **ids,
            "from_name": "boxes",
            "type": "rectanglelabels",
            "value": BOX | {"rotation": 0, "rectanglelabels": ["_unnamed"]},
            **size,
        },
    ]


def label_all(tool: LabelStudio, project: int, truth: dict[str, str], left_open: int) -> None:
    """Label the tasks of a project as a person would, except for the last ones."""
    tasks = tool.call("GET", f"/api/tasks?project={project}&fields=all&page_size=1000")["tasks"]
    assert len(tasks) == len(truth)
    for task in tasks[: len(tasks) - left_open]:
        path = f"/api/tasks/{task['id']}/annotations"
        tool.call("POST", path, {"result": decided(task, truth[task["data"]["frame_id"]])})


def exported(tool: LabelStudio, project: int, kind: str, path: Path) -> Path:
    path.write_bytes(tool.read("GET", f"/api/projects/{project}/export?exportType={kind}&download_all_tasks=true"))
    return path


def test_what_a_person_corrects_in_label_studio_makes_the_next_model_better(
    tool: LabelStudio, apache_broker: BrokerHandle, random_weights: Path, review: Path, tmp_path: Path
) -> None:
    write_textures(tmp_path / "images", labels=KNOWN)
    write_textures(tmp_path / "line", REVIEWED_A_LABEL, seed=11)
    write_textures(tmp_path / "held-out", HELD_OUT_A_LABEL, seed=13)
    first = fitted(tmp_path / "images", tmp_path / "first", random_weights)
    before = accuracy(first, tmp_path / "held-out")

    line = Line.on(apache_broker)
    truth = publish(line, first, tmp_path / "line")
    address = ("--bootstrap-servers", apache_broker.bootstrap_servers, "--review-topic", line.topics["review"])
    summary = collect("--out", str(review), *address, "--to", "label-studio")
    assert (summary["new"], summary["handover"]["handed_over"]) == (len(truth), len(truth))
    assert summary["handover"]["boxes"] > 0, "the model has heatmaps"

    project = import_tasks(tool, review / "_label-studio")
    shown = json.loads((review / "_label-studio" / "tasks.json").read_text())[0]["data"]
    image = tool.read("GET", shown["image"])
    assert image == (review / "_label-studio" / "images" / f"{shown['frame_id']}.png").read_bytes()
    label_all(tool, project, truth, left_open=2)
    done = exported(tool, project, "JSON", tmp_path / "export.json")
    summary = collect("--out", str(review), "--from", str(done), "--new-labels")

    guesses = {entry.id: entry.guess for entry in read_entries(review).values()}
    labelled = {entry.id: entry.corrected_label for entry in read_entries(review).values() if entry.corrected_label}
    assert labelled == {frame: truth[frame] for frame in labelled}
    assert (len(labelled), summary["unannotated"], summary["missing"]) == (len(truth) - 2, 2, 2)
    wrong = [frame for frame in labelled if guesses[frame] != truth[frame]]
    assert (summary["corrected"], summary["confirmed"]) == (len(wrong), len(labelled) - len(wrong))
    boxes = json.loads((review / BOXES_FILE).read_text())
    names = {each["id"]: each["name"] for each in boxes["categories"]}
    drawn = [each["bbox"] for each in boxes["annotations"] if names[each["category_id"]] == UNKNOWN]
    assert len(drawn) == list(labelled.values()).count(UNKNOWN)
    assert drawn[0] == pytest.approx([FRAME_PX * share / 100 for share in BOX.values()], abs=0.01)
    for kind in ("JSON", "JSON_MIN"):  # neither changes anything
        again = exported(tool, project, kind, tmp_path / f"{kind}.json")
        summary = collect("--out", str(review), "--from", str(again), "--new-labels")
        assert (summary["moved"], summary["boxes_changed"], summary["conflicts"]) == (0, 0, 0)

    second = fitted(tmp_path / "images", tmp_path / "second", random_weights, review)
    after = accuracy(second, tmp_path / "held-out")
    print(f"accuracy on held-out frames: {before:.3f} before, {after:.3f} after {len(labelled)} labels")
    assert before <= 2 / 3, "a class that the model does not know cannot be right"
    assert after >= before + 0.2
