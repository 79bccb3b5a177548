"""Tasks with pre-annotations, and the labelling interface, for Label Studio.

Formats: https://labelstud.io/guide/predictions.html and https://labelstud.io/tags/.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from stripwatch.export.runs.files import atomic_write
from stripwatch.training.datasets.reviewed_folder import SKIP
from stripwatch.training.labeling.handover.handed_frame import NEW, UNNAMED, HandedFrame, HandoverPlan, next_file
from stripwatch.worker.contracts.events import Candidate

TASKS_FILE, INTERFACE_FILE = "tasks.json", "labeling-interface.xml"
FOLDER = "_label-studio"
IMAGE_URL = f"/data/local-files/?d={FOLDER}/images/"  # with LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=OUT
LABEL, NEW_LABEL, BOXES, OUTLINES, IMAGE = "label", "new_label", "boxes", "outlines", "image"
_SCORES_SHOWN_MAX = 4


def write_tasks(plan: HandoverPlan, folder: Path, image_url: str) -> dict[str, Path]:
    """Write the tasks and the labelling interface. image_url: address of the folder of images. Returns the files."""
    tasks, interface = next_file(folder / TASKS_FILE), folder / INTERFACE_FILE
    content = [_task(frame, image_url or IMAGE_URL) for frame in plan.frames]
    atomic_write(tasks, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    atomic_write(interface, labelling_interface(plan.labels).encode())
    return {"tasks": tasks, "interface": interface}


def labelling_interface(labels: Iterable[str]) -> str:
    """Return the labelling interface: one choice per label, one for a new label, one to skip, boxes and polygons."""
    view = ET.Element("View")
    view.append(ET.Comment(_COMMENT))
    ET.SubElement(view, "Header", value="$prediction", size="5")
    ET.SubElement(view, "Image", name=IMAGE, value="$image", zoom="true", zoomControl="true", brightnessControl="true")
    choices = ET.SubElement(
        *(view, "Choices"), name=LABEL, toName=IMAGE, choice="single", required="true", showInline="true"
    )
    for label in labels:
        ET.SubElement(choices, "Choice", value=label)
    ET.SubElement(choices, "Choice", value=NEW, hint="A kind of defect that is not in the list; write its name below.")
    ET.SubElement(choices, "Choice", value=SKIP, hint="Do not use this frame for training.")
    ET.SubElement(
        *(view, "TextArea"),
        name=NEW_LABEL,
        toName=IMAGE,
        placeholder="Name of the new kind of defect",
        maxSubmissions="1",
        visibleWhen="choice-selected",
        whenTagName=LABEL,
        whenChoiceValue=NEW,
    )
    for tag, name in (("RectangleLabels", BOXES), ("PolygonLabels", OUTLINES)):
        shapes = ET.SubElement(view, tag, name=name, toName=IMAGE)
        for label in (*labels, UNNAMED):
            ET.SubElement(shapes, "Label", value=label)
    ET.indent(view)
    return ET.tostring(view, encoding="unicode") + "\n"


# A comment in XML must not contain two hyphens in a row.
_COMMENT = (
    " Labels of the model. To add a label for everybody, add a Choice and, in both lists of labels, a Label with its "
    f"name, and take the labels back with the option new-labels. {SKIP}: the frame is not used for training. {NEW}: "
    f"the label is the text below. A box named {UNNAMED} gets the label of its frame. "
)


def _task(frame: HandedFrame, image_url: str) -> dict[str, Any]:
    entry = frame.entry
    return {
        "data": {
            "image": image_url + quote(frame.image),
            "frame_id": entry.id,
            "prediction": _prediction_text(frame),
            "camera": entry.camera,
            "coil": entry.coil,
            "captured_at": entry.captured_at,
            "reason": entry.reason,
        },
        "predictions": [{"model_version": entry.model, "score": frame.score, "result": _results(frame)}],
    }


def _results(frame: HandedFrame) -> list[dict[str, Any]]:
    """Return the predicted label, unless it says little about the frame, and the boxes."""
    choice = {
        "id": "label",
        "from_name": LABEL,
        "to_name": IMAGE,
        "type": "choices",
        "score": frame.score,
        "value": {"choices": [frame.guess]},
    }
    boxes = [_box(at, each, frame) for at, each in enumerate(frame.boxes)]
    return [choice, *boxes] if frame.guess else boxes


def _box(at: int, candidate: Candidate, frame: HandedFrame) -> dict[str, Any]:
    box, to_x, to_y = candidate.box_px, 100 / frame.width_px, 100 / frame.height_px
    return {
        "id": f"box{at}",
        "from_name": BOXES,
        "to_name": IMAGE,
        "type": "rectanglelabels",
        "original_width": frame.width_px,
        "original_height": frame.height_px,
        "image_rotation": 0,
        "score": candidate.score,
        "value": {
            "x": box.x * to_x,
            "y": box.y * to_y,
            "width": box.width * to_x,
            "height": box.height * to_y,
            "rotation": 0,
            "rectanglelabels": [candidate.label],
        },
    }


def _prediction_text(frame: HandedFrame) -> str:
    """Return what the model thinks, for the person who labels the frame."""
    entry = frame.entry
    best = sorted(entry.scores_by_label.items(), key=lambda item: -item[1])[:_SCORES_SHOWN_MAX]
    scores = ", ".join(f"{label} {score:.2f}" for label, score in best) or f"{entry.guess} {entry.score}"
    text = f"{entry.model}: {scores}"
    if entry.novelty and entry.reason == "novel":
        return f"{text}; novel ({entry.novelty}, threshold {entry.novelty_threshold}), so no label may fit"
    return f"{text}; found by an anomaly model, so it has no class yet" if entry.is_anomaly else text
