"""Frames with the boxes of the model as a COCO file, in the folders that CVAT, FiftyOne and others import.

Format: https://cocodataset.org/#format-data; `score` as in its format of results. Folders:
https://docs.cvat.ai/docs/dataset_management/formats/format-coco/.
"""

from pathlib import Path
from typing import Any

import msgspec

from stripwatch.export.runs.files import atomic_write
from stripwatch.training.labeling.handover.handed_frame import UNNAMED, HandedFrame, HandoverPlan, next_file
from stripwatch.worker.common.folders import make_folder

FOLDER = "_coco"
FILE = "annotations/instances_default.json"
# States that no person has checked the boxes. Tools write other information when they export.
UNCHECKED = "predictions of a model, not checked by a person"


def write_coco(plan: HandoverPlan, folder: Path) -> dict[str, Path]:
    """Write the COCO file. Returns the files."""
    unnamed = any(box.label == UNNAMED for frame in plan.frames for box in frame.boxes)
    categories = {label: at for at, label in enumerate([*plan.labels, *([UNNAMED] if unnamed else [])], start=1)}
    content = {
        "info": {"description": UNCHECKED, "date_created": plan.at.isoformat(timespec="seconds")},
        "licenses": [],
        "images": [_image(at, frame) for at, frame in enumerate(plan.frames, start=1)],
        "categories": [{"id": at, "name": label, "supercategory": ""} for label, at in categories.items()],
        "annotations": _annotations(plan.frames, categories),
    }
    path = next_file(folder / FILE)
    make_folder(path.parent)
    atomic_write(path, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    return {"annotations": path}


def _image(at: int, frame: HandedFrame) -> dict[str, Any]:
    """Return an image with its id, and with the prediction for tools that keep additional fields."""
    return {
        "id": at,
        "file_name": frame.image,
        "width": frame.width_px,
        "height": frame.height_px,
        "frame_id": frame.entry.id,
        "label": frame.guess,
        "score": frame.score,
    }


def _annotations(frames: list[HandedFrame], categories: dict[str, int]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for at, frame in enumerate(frames, start=1):
        for each in frame.boxes:
            box = each.box_px
            found.append(
                {
                    "id": len(found) + 1,
                    "image_id": at,
                    "category_id": categories[each.label],
                    "bbox": [box.x, box.y, box.width, box.height],
                    "area": box.width * box.height,
                    "segmentation": [],
                    "iscrowd": 0,
                    "score": each.score,
                }
            )
    return found
