"""Read annotations, match them with the images of a data set, and check them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stripwatch.training.annotations.annotations import Annotations
from stripwatch.training.annotations.image_sizes import annotated_size, may_be_turned, read_stored
from stripwatch.training.annotations.polygons import fill_polygon
from stripwatch.training.datasets.annotated import find_label_files
from stripwatch.training.datasets.dataset import DataSet
from stripwatch.training.datasets.formats.detect import AUTO, AnnotationFiles, find_annotations
from stripwatch.training.datasets.formats.image_index import AmbiguousImageError, ImageIndex
from stripwatch.training.datasets.formats.marks import (
    ImageMarks,
    LabelledBox,
    Shape,
    check_pixels,
    clipped,
    scaled,
)
from stripwatch.training.datasets.formats.problems import Problems, nearest_text
from stripwatch.training.datasets.formats.rle_masks import Mask, RunLengthMask, encode_mask
from stripwatch.training.datasets.reviewed_folder import unused_frames
from stripwatch.training.datasets.severstal import HEIGHT_PX, WIDTH_PX, read_severstal_masks
from stripwatch.worker.common.errors import DataError, SettingsError
from stripwatch.worker.common.path_text import file_below
from stripwatch.worker.contracts.model.clean_labels import label_key
from stripwatch.worker.images.image_files import scan_folder

# Layouts whose annotations are part of the data folder.
OWN_ANNOTATIONS = frozenset({"annotated", "kolektor", "mvtec", "severstal"})


@dataclass(frozen=True, slots=True)
class AnnotationSet:
    """Annotations by image name. format: of their files. notes: messages about what was changed or not used.
    files: that were read.
    """

    marks: dict[str, Annotations]
    format: str
    notes: list[str] = field(default_factory=list)
    files: tuple[Path, ...] = ()


def read_annotations(
    dataset: DataSet, boxes: Path | None, boxes_format: str = AUTO, clean_label: str | None = None
) -> AnnotationSet:
    """Return the annotations of each annotated image.

    boxes: a folder of annotation files, or one file, in one of `FORMATS`. None uses the annotations that belong to the
    layouts annotated, kolektor, mvtec and severstal. Boxes that people drew on collected frames are always used, unless
    `boxes` has others for the same frame. clean_label: label of clean images, which need no annotation.
    Raises SettingsError if there are neither boxes nor masks, InputError if `boxes` does not exist, and DataError, with
    the first problems and their number, for annotations that cannot be read, are outside their image, have an unknown
    label, or do not belong to the images, and if no annotation belongs to an image of the data set.
    """
    if boxes is None and not has_annotations(dataset):
        raise SettingsError("--boxes is missing; pass a folder with annotations, or a file such as truth.jsonl")
    found = [_read(dataset, boxes, boxes_format)] if boxes or dataset.layout in OWN_ANNOTATIONS else []
    found += [
        _Matching(dataset, AnnotationFiles(file.parent, "coco", [file]), file, unused_frames(file.parent)).read()
        for file in dataset.reviewed_boxes
        if boxes is None or file.resolve() != boxes.resolve()
    ]
    marks: dict[str, Annotations] = {}
    for each in reversed(found):  # `boxes` take precedence
        marks |= each.marks
    return AnnotationSet(
        marks,
        " and ".join(dict.fromkeys(each.format for each in found)),
        [note for each in found for note in each.notes] + _missing_notes(dataset, marks, clean_label),
        tuple(file for each in found for file in each.files),
    )


def has_annotations(dataset: DataSet) -> bool:
    """Return whether annotations are part of the data folders."""
    return dataset.layout in OWN_ANNOTATIONS or bool(dataset.reviewed_boxes)


def _read(dataset: DataSet, boxes: Path | None, boxes_format: str) -> AnnotationSet:
    if boxes is None and dataset.layout in ("mvtec", "kolektor"):
        masks = AnnotationFiles(dataset.root, "masks", list(scan_folder(dataset.root).masks))
        return _Matching(dataset, masks, dataset.root).read()
    if boxes is None and dataset.layout == "annotated":
        return _Matching(dataset, find_label_files(dataset.root), dataset.root).read()
    if boxes is None:
        strips = read_severstal_masks(dataset.root)
        found = {name: Annotations(HEIGHT_PX, WIDTH_PX, masks=runs) for name, runs in strips.items()}
        return AnnotationSet(found, "severstal")
    images = {file_below(dataset.root, sample.name).resolve() for sample in dataset.samples}
    files = find_annotations(boxes, boxes_format, lambda path: path.resolve() in images)
    return _Matching(dataset, files, boxes).read()


class _Matching:
    """Matches the annotations of one set of files with the images of a data set.

    left_out: names without suffix of collected frames that are not used for training, whose annotations are not
    mentioned. None for other images, of which at least one must be annotated.
    """

    def __init__(
        self, dataset: DataSet, files: AnnotationFiles, boxes: Path, left_out: Collection[str] | None = None
    ) -> None:
        self._dataset = dataset
        self._files = files
        self._boxes = boxes
        self._strict = left_out is None
        self._left_out = left_out or ()
        self._problems = Problems(str(boxes))
        self._index = ImageIndex(sample.name for sample in dataset.samples)
        self._labels = {sample.name: sample.labels for sample in dataset.samples}
        self._spelling = {label_key(label): label for label in dataset.labels} if dataset.merged else {}
        self._unknown_labels: dict[str, list[str]] = defaultdict(list)
        self._clipped: list[str] = []
        self._turned: list[str] = []
        self._unused: list[str] = []

    def read(self) -> AnnotationSet:
        """Read and check everything. Raises DataError."""
        read = self._files.read(self._problems, self._dataset.root)
        matched: dict[str, ImageMarks] = {}
        for marks in read:
            name = self._find(marks)
            if name is not None and name in matched:
                self._problems.add(f"{marks.where}: {name} already has annotations in {matched[name].where}")
            elif name is not None:
                matched[name] = marks
        if self._strict and not matched and not self._problems.found:
            raise DataError(self._nothing_text(read))
        found = {name: each for name, marks in matched.items() if (each := self._convert(name, marks)) is not None}
        self._note_unknown_labels()
        self._problems.check()
        return AnnotationSet(found, self._files.format, self._notes(found), tuple(self._files.files))

    def _find(self, marks: ImageMarks) -> str | None:
        try:
            name = self._index.find(marks.image, marks.suffixed)
        except AmbiguousImageError as error:
            self._problems.add(f"{marks.where} is ambiguous: {error}; rename one")
            return None
        if name is None and marks.required:
            self._problems.add(f"{marks.where}: the data set has no image named {Path(marks.image).name}")
        elif name is None and Path(marks.image).stem not in self._left_out:
            self._unused.append(marks.image)
        return name

    def _convert(self, name: str, marks: ImageMarks) -> Annotations | None:
        image = read_stored(file_below(self._dataset.root, name))
        try:
            width_px, height_px = annotated_size(marks, image)
            check_pixels(width_px, height_px)
        except ValueError as error:
            self._problems.add(f"{marks.where}: {error}")
            return None
        if may_be_turned(marks, image):
            self._turned.append(name)
        shapes = []
        for shape in marks.shapes:
            label = self._label(name, shape.label, marks.where)
            placed = shape if marks.width_px is not None else scaled(shape, width_px, height_px)
            try:
                kept, changed = clipped(placed, width_px, height_px)
            except ValueError as error:
                kind = "box" if shape.corners else "polygon"
                self._problems.add(f"{marks.where}: a {kind} of {shape.label!r} {error}")
                continue
            self._clipped += [name] if changed else []
            shapes.append((label, kept))
        return _annotations(shapes, width_px, height_px)

    def _label(self, name: str, label: str, where: str) -> str:
        if not label:
            only = self._labels[name]
            if len(only) == 1:
                return only[0]
            self._problems.add(f"{where}: the mask belongs to {name}, which has {len(only)} labels instead of one")
            return label
        label = self._spelling.get(label_key(label), label)
        if label not in self._dataset.labels:
            self._unknown_labels[label].append(where)
        return label

    def _note_unknown_labels(self) -> None:
        known = self._dataset.labels
        for label, places in sorted(self._unknown_labels.items()):
            more = f" and {len(places) - 1} more" if len(places) > 1 else ""
            hint = nearest_text(label, known) or f"; known: {', '.join(known)}"
            self._problems.add(f"{places[0]}{more} has the unknown label {label!r}{hint}")

    def _nothing_text(self, read: list[ImageMarks]) -> str:
        names = [marks.image for marks in read[:3]]
        images = [sample.name for sample in self._dataset.samples[:3]]
        return (
            f"--boxes {self._boxes} has no annotation for any of the {len(self._dataset.samples)} images. It contains "
            f"{self._files.text}, for images such as {', '.join(names) or '(none)'}; the images of the data set are "
            f"such as {', '.join(images)}"
        )

    def _notes(self, found: dict[str, Annotations]) -> list[str]:
        return [
            f"annotations of {len(found)} of {len(self._labels)} images from {self._files.text}",
            *_note(self._unused, "annotations of images that are not in the data set"),
            *_note(self._clipped, "boxes or polygons that extended past the image by up to one pixel and were clipped"),
            *_note(
                self._turned,
                "annotated images with an EXIF rotation that training and the worker ignore; their size does not show "
                "whether the annotations were drawn on the rotated image",
                "warning",
            ),
        ]


def _missing_notes(dataset: DataSet, marks: Mapping[str, Annotations], clean_label: str | None) -> list[str]:
    defects = [sample.name for sample in dataset.samples if set(sample.labels) - {clean_label}]
    return _note([name for name in defects if name not in marks] if marks else [], "images that are not annotated")


def _note(names: list[str], what: str, kind: str = "note") -> list[str]:
    if not names:
        return []
    return [f"{kind}: {what}: {len(names)} ({'; '.join(names[:3])}{'; ...' if len(names) > 3 else ''})"]


def _annotations(shapes: Iterable[tuple[str, Shape]], width_px: int, height_px: int) -> Annotations:
    boxes: list[LabelledBox] = []
    masks: dict[str, list[Mask]] = defaultdict(list)
    for label, shape in shapes:
        if shape.corners:
            left, top, right, bottom = (round(value) for value in shape.corners)
            left, top = min(left, width_px - 1), min(top, height_px - 1)
            boxes.append(LabelledBox(label, left, top, max(right, left + 1), max(bottom, top + 1)))
        elif shape.runs is not None:
            masks[label].append(shape.runs.mask())
        else:
            masks[label].append(fill_polygon(shape.points, width_px, height_px))
    runs: dict[str, RunLengthMask] = {label: encode_mask(np.logical_or.reduce(found)) for label, found in masks.items()}
    return Annotations(height_px, width_px, tuple(boxes), runs)
