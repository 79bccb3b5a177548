"""Boxes and polygons that people drew on collected frames, as a COCO file that `fit` and `evaluate` read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from stripwatch.export.runs.files import atomic_write
from stripwatch.training.datasets.formats.coco import read_coco
from stripwatch.training.datasets.formats.marks import ImageMarks, Shape
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.formats.rle_masks import RunLengthMask
from stripwatch.training.datasets.reviewed_folder import BOXES_FILE


@dataclass(frozen=True, slots=True)
class _Boxes:
    """Annotations of one frame, without the ids of the file. file_name: name of the image."""

    file_name: str
    width_px: int
    height_px: int
    shapes: list[tuple[str, dict[str, Any]]]


class BoxesFile:
    """The boxes of a collected folder, by name of the frame."""

    def __init__(self, out: Path) -> None:
        """Read the file, if it exists. Raises DataError if it is not a COCO file, since it would be overwritten."""
        self.path = out / BOXES_FILE
        self._boxes: dict[str, _Boxes] = {}
        self._changed = False
        if self.path.is_file():
            problems = Problems(str(self.path))
            for marks in read_coco(out, [self.path], problems):
                self._boxes[Path(marks.image).stem] = _boxes(Path(marks.image).name, marks)
            problems.check()

    def __len__(self) -> int:
        return len(self._boxes)

    def put(self, name: str, file_name: str, marks: ImageMarks) -> bool:
        """Replace the boxes of a frame; without shapes, remove them. Returns whether anything changed."""
        before, now = self._boxes.get(name), _boxes(file_name, marks) if marks.shapes else None
        if before == now:
            return False
        self._changed = True
        if now is None:
            del self._boxes[name]
        else:
            self._boxes[name] = now
        return True

    def write(self) -> None:
        """Write the file if anything changed."""
        if not self._changed:
            return
        labels = sorted({label for each in self._boxes.values() for label, _ in each.shapes})
        categories = {label: at for at, label in enumerate(labels, start=1)}
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for at, (_, each) in enumerate(sorted(self._boxes.items()), start=1):
            images.append({"id": at, "file_name": each.file_name, "width": each.width_px, "height": each.height_px})
            for label, shape in each.shapes:
                ids = {"id": len(annotations) + 1, "image_id": at, "category_id": categories[label]}
                annotations.append(ids | shape)
        content = {
            "images": images,
            "categories": [{"id": at, "name": label} for label, at in categories.items()],
            "annotations": annotations,
        }
        atomic_write(self.path, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
        self._changed = False


def _boxes(file_name: str, marks: ImageMarks) -> _Boxes:
    assert marks.width_px is not None
    assert marks.height_px is not None
    return _Boxes(file_name, marks.width_px, marks.height_px, [(each.label, _coco(each)) for each in marks.shapes])


def _coco(shape: Shape) -> dict[str, Any]:
    """Return a shape as COCO states it. Coordinates are rounded to a hundredth of a pixel."""
    if shape.runs is not None:
        runs = shape.runs
        mask = runs.mask()
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = [int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1] if len(rows) else [0] * 4
        segmentation: Any = {"size": [runs.height_px, runs.width_px], "counts": _counts(runs)}
        return {"bbox": box, "area": int(mask.sum()), "segmentation": segmentation, "iscrowd": 1}
    if shape.corners is not None:
        left, top, right, bottom = shape.corners
        return _rectangle(left, top, right, bottom) | {"segmentation": []}
    xs, ys = [x for x, _ in shape.points], [y for _, y in shape.points]
    flat = [round(value, 2) for point in shape.points for value in point]
    return _rectangle(min(xs), min(ys), max(xs), max(ys)) | {"segmentation": [flat]}


def _rectangle(left: float, top: float, right: float, bottom: float) -> dict[str, Any]:
    width, height = right - left, bottom - top
    box = [round(value, 2) for value in (left, top, width, height)]
    return {"bbox": box, "area": round(width * height, 2), "iscrowd": 0}


def _counts(runs: RunLengthMask) -> list[int]:
    """Return the lengths of the runs outside and inside in turn, down each column, beginning outside."""
    counts: list[int] = []
    end = 0
    for start, length in zip(runs.starts.tolist(), runs.lengths.tolist(), strict=True):
        counts += [start - end, length]
        end = start + length
    return [*counts, runs.height_px * runs.width_px - end]
