"""Exports of labelling tools, made from what the tools got."""

import json
from pathlib import Path
from typing import Any

from stripwatch.training.labeling.handover.hand_over import hand_over
from tests.training.labeling.review_frames import collect, files, novel, reviewed

Task = dict[str, Any]
BOX = {"label": "pits", "score": 0.6, "box_px": {"x": 12, "y": 8, "width": 24, "height": 16}}  # of frames of 48x32
BOXED = ("frames-9-0-65e60bb0", "frames-9-1-65e60bb0")  # the frames predicted as pits
AT = "2026-11-29T18:00:00.123456Z"


def collected(out: Path, count: int = 4, **forged: str) -> Path:
    """Collect frames with a box: the first two are predicted as pits, the others as clean."""
    given = {"boxes": json.dumps([BOX])} | forged
    collect(out, *(reviewed(n, "pits" if n < 2 else "clean", coil=f"C{n}", **given) for n in range(count)))
    return out


def novel_frame(out: Path, number: int = 9, reason: str = "novel") -> Path:
    collect(out, novel(number, reason=reason))
    return out


def tasks_of(out: Path) -> list[Task]:
    """Hand the frames to Label Studio, and return its tasks."""
    tasks: list[Task] = json.loads(hand_over(out, "label-studio").files["tasks"].read_text())
    return tasks


def choice(label: str) -> Task:
    return {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [label]}}


def rectangle(label: str, x: float = 25, y: float = 25, width: float = 50, height: float = 50) -> Task:
    """Return a box in percent of the frame."""
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [label]}
    size = {"original_width": 48, "original_height": 32, "image_rotation": 0}
    return {"from_name": "boxes", "to_name": "image", "type": "rectanglelabels", "value": value, **size}


def annotated(task: Task, *results: Task, at: str = AT, by: Any = 1, **more: Any) -> Task:
    """Return a task with one more annotation."""
    stated = {"was_cancelled": False, "ground_truth": False, "completed_by": by, "created_at": AT, "updated_at": at}
    return {"id": 1, **task, "annotations": [*task.get("annotations", []), {"result": [*results], **stated, **more}]}


def untouched(task: Task) -> Task:
    return {"id": 1, **task, "annotations": []}


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def export(out: Path, *tasks: Task) -> Path:
    return write(out.with_name("export.json"), [*tasks])


def folders(out: Path) -> dict[int, str]:
    """Return the folder of each frame by its number."""
    placed = (Path(name) for name in files(out) if not name.startswith(("_label-studio", "_coco")))
    return {int(path.name.split("-")[2]): path.parent.as_posix() for path in placed}


def state(out: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def counts(summary: dict[str, Any], *names: str) -> list[int]:
    return [summary[name] for name in names]
