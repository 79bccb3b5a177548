"""Checks of boxes and masks: labels, sizes, and boxes that are at the same place."""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from stripwatch.training.annotations.annotations import Annotations
from stripwatch.training.datasets.formats.marks import LabelledBox
from stripwatch.training.findings.checked_data import CheckedData
from stripwatch.training.preparation.finding import Finding, counted, make_finding, some
from stripwatch.worker.contracts.model.clean_labels import likely_clean

_TINY_PX = 2
_HUGE_SHARE = 0.95
_SAME_IOU = 0.95
_SMALL_PX, _INPUT_PX = 8, 224
_BOXES_COMPARED_MAX = 500  # of one image, because every pair is compared


def check_boxes(data: CheckedData) -> Iterator[Finding]:
    """Yield findings about the boxes and masks of the annotated images."""
    if data.annotations is None:
        return
    yield from _notes(data)
    labels = {sample.name: sample.labels for sample in data.frames.samples}
    marks = {name: found for name, found in data.annotations.marks.items() if name in labels}
    yield from _other_labels(data, labels, marks)
    yield from _places(marks)
    yield from _sizes(marks)
    yield from _empty(data, labels, marks)


def _notes(data: CheckedData) -> Iterator[Finding]:
    """Yield what the reader of the annotations has noticed, except for the counts of all annotations."""
    for note in data.annotations.notes if data.annotations else ():
        level, _, text = note.partition(": ")
        if level == "warning":
            yield make_finding("annotations-may-be-turned", text)
        elif level == "note":
            yield make_finding("annotation-notes", text)


def _other_labels(
    data: CheckedData, labels: dict[str, tuple[str, ...]], marks: dict[str, Annotations]
) -> Iterator[Finding]:
    if data.task == "anomaly":
        return
    total, wrong, files = 0, Counter[str](), []
    for name, found in marks.items():
        every = [*(box.label for box in found.boxes), *found.masks]
        other = [label for label in every if label not in labels[name]]
        total += len(every)
        wrong.update(f"{' and '.join(labels[name]) or 'clean'} with {label}" for label in other)
        files += [name] if other else []
    if files:
        what = (
            f"{wrong.total():,} of {counted(total, *_noun(marks))}, in "
            f"{counted(len(files), 'image')}, have a label that the image does not have ("
            + some([f"{text}: {count:,}" for text, count in wrong.most_common()])
            + f"): {some(files)}"
        )
        yield make_finding("boxes-of-other-labels", what, files)


def _noun(marks: dict[str, Annotations]) -> tuple[str, str]:
    boxes, masks = any(each.boxes for each in marks.values()), any(each.masks for each in marks.values())
    if boxes and masks:
        return "box or mask", "boxes and masks"
    return ("mask", "masks") if masks else ("box", "boxes")


def _places(marks: dict[str, Annotations]) -> Iterator[Finding]:
    repeated: Counter[str] = Counter()
    disputed: Counter[str] = Counter()
    for name, found in marks.items():
        for first, second in combinations(found.boxes[:_BOXES_COMPARED_MAX], 2):
            if _iou(first, second) >= _SAME_IOU:
                (repeated if first.label == second.label else disputed)[name] += 1
    for code, found_in, text in (
        ("repeated-boxes", repeated, "with the same label"),
        ("boxes-with-two-labels", disputed, "with different labels"),
    ):
        if found_in:
            what = f"{counted(found_in.total(), 'pair')} of boxes {text} at the same place: {some(list(found_in))}"
            yield make_finding(code, what, found_in)


def _sizes(marks: dict[str, Annotations]) -> Iterator[Finding]:
    boxes = [(name, found, box) for name, found in marks.items() for box in found.boxes]
    if not boxes:
        return
    tiny = [name for name, _, box in boxes if min(_sides(box)) <= _TINY_PX]
    huge = [name for name, found, box in boxes if _area(box) >= _HUGE_SHARE * found.width_px * found.height_px]
    total = counted(len(boxes), "box", "boxes")
    if tiny:
        what = (
            f"{len(tiny):,} of {total} are only up to {_TINY_PX} pixels wide or high: {some(list(dict.fromkeys(tiny)))}"
        )
        yield make_finding("tiny-boxes", what, tiny)
    if huge:
        what = (
            f"{len(huge):,} of {total} cover at least {_HUGE_SHARE:.0%} of the image: {some(list(dict.fromkeys(huge)))}"
        )
        yield make_finding("huge-boxes", what, huge)
    shown = [
        min(
            side * _INPUT_PX / whole for side, whole in zip(_sides(box), (found.width_px, found.height_px), strict=True)
        )
        for _, found, box in boxes
    ]
    if np.median(shown) < _SMALL_PX:
        what = (
            f"the boxes are small: at an input of {_INPUT_PX}x{_INPUT_PX}, half of them are less than "
            f"{np.median(shown):.1f} pixels wide or high"
        )
        yield make_finding("small-defects", what)


def _empty(data: CheckedData, labels: dict[str, tuple[str, ...]], marks: dict[str, Annotations]) -> Iterator[Finding]:
    """Yield the images that have a defect by their label and none by their annotation.

    In layout `annotated`, labels are part of the annotations, and an image may have one without a box.
    """
    if data.frames.dataset.layout == "annotated":
        return
    defects = {name for name, found in labels.items() if set(found) - {data.clean_label, *likely_clean(found)}}
    files = [name for name, found in marks.items() if name in defects and not _has_area(found)]
    if files:
        what = f"{counted(len(files), 'image')} of defects with an empty annotation: {some(files)}"
        yield make_finding("empty-annotations", what, files)


def _has_area(marks: Annotations) -> bool:
    return bool(marks.boxes) or any(runs.area_px for runs in marks.masks.values())


def _sides(box: LabelledBox) -> tuple[int, int]:
    return box.right - box.left, box.bottom - box.top


def _area(box: LabelledBox) -> int:
    width, height = _sides(box)
    return width * height


def _iou(first: LabelledBox, second: LabelledBox) -> float:
    """Return the intersection of two boxes divided by their union."""
    width = min(first.right, second.right) - max(first.left, second.left)
    height = min(first.bottom, second.bottom) - max(first.top, second.top)
    shared = max(width, 0) * max(height, 0)
    return shared / (_area(first) + _area(second) - shared)
