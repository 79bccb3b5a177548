"""Labelled data sets, independent of their layout on disk."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stripwatch.export.runs.run_folder import ANOMALY_LABEL, FitTask
from stripwatch.training.datasets.alike_labels import alike_notes, find_alike, merge_alike
from stripwatch.training.datasets.formats.detect import annotation_files
from stripwatch.training.datasets.formats.problems import Problems, nearest_text
from stripwatch.training.datasets.layouts import COLLECTED, LAYOUTS, detect_layout, other_tables_text
from stripwatch.training.datasets.manifest import manifest_notes
from stripwatch.training.datasets.mask_check import check_annotation_folders, check_lossy_masks, check_masks
from stripwatch.training.datasets.parts import parts_note
from stripwatch.training.datasets.reviewed_folder import BOXES_FILE
from stripwatch.training.datasets.samples import Sample
from stripwatch.worker.common.errors import DataError, InputError, SettingsError
from stripwatch.worker.common.path_text import file_below, name_below, path_text
from stripwatch.worker.common.terminal.file_counts import UNREADABLE, FileCounts, count_files
from stripwatch.worker.contracts.model.clean_labels import no_clean_verdict
from stripwatch.worker.images.image_files import SkippedFile, no_images_text, scan_folder, skipped_by_reason
from stripwatch.worker.model.bundle import LABELS_MAX

AUTO = "auto"
CLEAN = "clean"
UNUSED_ANNOTATIONS = "annotations without --boxes"  # reason of SkippedFile
_CLEAN_NAMES = ("clean", "good", "ok", "normal")  # "good" as in MVTec AD


@dataclass(frozen=True, slots=True)
class DataSet:
    """A labelled data set.

    samples: sorted by name. labels: sorted; each has at least one sample. layout: the layout it was read with.
    skipped: other files in the folders. notes: messages about files that are not used, and labels that look alike.
    alike: groups of labels that look alike and were not merged, with the number of images.
    merged: labels that look alike were merged. unused: image files that the layout does not use. reviewed_boxes: files
    of the boxes that people drew on collected frames. annotation_files: annotation files that are used; the others are
    among the skipped ones.
    """

    root: Path
    samples: list[Sample]
    labels: list[str]
    layout: str
    skipped: tuple[SkippedFile, ...] = ()
    notes: tuple[str, ...] = ()
    alike: tuple[Mapping[str, int], ...] = ()
    merged: bool = False
    unused: tuple[SkippedFile, ...] = ()
    reviewed_boxes: tuple[Path, ...] = ()
    annotation_files: tuple[str, ...] = ()

    @property
    def files(self) -> FileCounts:
        """Return how many files are used, and which are not, by reason."""
        return self.count()

    def count(self, unreadable: Sequence[str] = ()) -> FileCounts:
        """Return how many files are used, and which are not, by reason. unreadable: names of images."""
        skipped = {**skipped_by_reason((*self.skipped, *self.unused)), UNREADABLE: unreadable}
        return count_files(len(self.samples) - len(unreadable), skipped, len(self.annotation_files))

    def with_annotations(self, paths: Iterable[Path]) -> "DataSet":
        """Return the data set with annotation files as used. paths: files, or folders of such files."""
        used = {path.resolve() for path in paths}
        found = []
        for each in self.skipped:
            file = file_below(self.root, each.name).resolve()
            if each.why == UNUSED_ANNOTATIONS and not used.isdisjoint((file, *file.parents)):
                found.append(each)
        names = tuple(each.name for each in found)
        skipped = tuple(each for each in self.skipped if each not in found)
        return replace(self, skipped=skipped, annotation_files=(*self.annotation_files, *names))


def read_dataset(
    root: Path, layout: str = AUTO, also: Sequence[Path] = (), merge_labels: bool = False, one_class: bool = False
) -> DataSet:
    """Find the labelled images in a folder without opening them, except for a few that seem to be masks.

    also: additional folders, each with its own layout. Their images are named relative to the first folder, as in
    "../review/pits/7.jpg". merge_labels: merge labels that look alike, such as "Pits" and "pits ". one_class: a single
    class, or images without labels, are enough. Raises SettingsError for an unknown layout and for folders that contain
    each other, InputError for a missing folder, DataError if the files cannot be used for training.
    """
    folders = [_read_folder(root, layout, one_class)]
    samples = list(folders[0].samples)
    for at, other in enumerate(also):
        _check_apart(other, [root, *also[:at]])
        prefix = path_text(Path(os.path.relpath(other.resolve(), root.resolve())).as_posix())
        folders.append(_read_folder(other, AUTO, one_class))
        samples += [replace(each, name=f"{prefix}/{each.name}") for each in folders[-1].samples]
    samples.sort(key=lambda sample: sample.name)
    skipped = tuple(each for folder in folders for each in folder.skipped)
    unused = tuple(each for folder in folders for each in folder.unused)
    alike = find_alike(samples)
    notes = [note for folder in folders for note in folder.notes] + alike_notes(alike, merge_labels)
    if merge_labels:
        samples, alike = merge_alike(samples, alike), []
    labels, layout = _labels_of(samples), folders[0].layout
    collected = [folder for folder, read in zip([root, *also], folders, strict=True) if read.layout == COLLECTED]
    dataset = DataSet(
        *(root, samples, labels, layout, skipped, tuple(notes), tuple(alike), merge_labels, unused),
        reviewed_boxes=tuple(file for folder in collected if (file := folder / BOXES_FILE).is_file()),
        annotation_files=tuple(name for folder in folders for name in folder.annotation_files),
    )
    _check_labels(dataset, one_class)
    return dataset


@dataclass(frozen=True, slots=True)
class _Folder:
    """One data folder. layout: the layout it was read with. annotation_files: names of those that are used."""

    layout: str
    samples: list[Sample]
    skipped: tuple[SkippedFile, ...]
    notes: list[str]
    unused: tuple[SkippedFile, ...]
    annotation_files: tuple[str, ...]


def _read_folder(root: Path, layout: str, one_class: bool) -> _Folder:
    if layout not in (AUTO, *LAYOUTS):
        raise SettingsError(f"--layout {layout!r} is unknown; choose from {', '.join((AUTO, *LAYOUTS))}")
    require_folder(root)
    if layout == AUTO:
        layout = detect_layout(root, one_class)
    samples = list(LAYOUTS[layout](root))
    found = scan_folder(root)
    if not samples:
        raise InputError(no_images_text(found))
    if layout in ("folder", "prefix"):
        names = [sample.name for sample in samples]
        check_annotation_folders(root, names)
        check_lossy_masks(root, names)
        check_masks(found)
    used = {sample.name for sample in samples}
    others = [name for path in found.files if (name := name_below(root, path)) not in used]
    unused = tuple(SkippedFile(name, f"not used in layout {layout!r}") for name in others)
    annotations = [name_below(root, path) for path in annotation_files(root)]
    of_layout = [name for name in annotations if layout == "annotated" or (layout, name) == (COLLECTED, BOXES_FILE)]
    others_skipped = tuple(each for each in found.skipped if each.name not in set(annotations))
    without_boxes = (SkippedFile(name, UNUSED_ANNOTATIONS) for name in annotations if name not in set(of_layout))
    notes = [*replace(found, skipped=others_skipped).notes, *parts_note([sample.name for sample in samples])]
    if layout == "manifest":
        notes += [f"note: {text}" for _, text, _ in manifest_notes(root)]
    if unused:
        notes.append(
            f"note: {len(unused)} of {len(found.files)} image files in {root} are not used in layout {layout!r}"
        )
    return _Folder(layout, samples, (*others_skipped, *without_boxes), notes, unused, tuple(of_layout))


def require_folder(path: Path) -> None:
    """Raise InputError if the data folder does not exist or cannot be read."""
    try:
        found = path.is_dir()
    except OSError as error:  # a name that is too long, or a folder above it that may not be read
        raise InputError(f"cannot read the data folder {path}: {error.strerror}") from error
    if not found:
        raise InputError(f"data folder {path} does not exist")


def _check_apart(folder: Path, others: Sequence[Path]) -> None:
    for other in others:
        inner, outer = folder.resolve(), other.resolve()
        if inner.is_relative_to(outer) or outer.is_relative_to(inner):
            raise SettingsError(
                f"--data {other} and --data {folder}: one contains the other, so images would be used twice"
            )


def for_task(
    dataset: DataSet, task: FitTask, clean_label: str | None, clean_required: bool = True
) -> tuple[DataSet, str | None]:
    """Return the data set as used for this task, and the label of the model that means "no defect", or None.

    clean_label: the requested label. multiclass: each image has exactly one label; images without one get clean_label,
    or "clean". multilabel: clean_label is removed from images, so that no label means "no defect". anomaly: every image
    that is not clean gets the label "anomaly"; without clean_label, images without a label or with a usual name of a
    clean class are clean. clean_required: an image must have clean_label, or no label.
    Raises SettingsError if no image has a required clean_label or it is not known which images are clean, DataError,
    with the names, if images have too many labels.
    """
    unlabelled = any(not sample.labels for sample in dataset.samples)
    if clean_required and clean_label is not None and clean_label not in dataset.labels and not unlabelled:
        raise SettingsError(
            f"--clean-label {clean_label!r} is not a label; choose from {', '.join(dataset.labels)}"
            f"{nearest_text(clean_label, dataset.labels)}"
        )
    if task == "anomaly":
        return _as_anomalies(dataset, clean_label)
    if task == "multiclass":
        clean_label = clean_label or (CLEAN if unlabelled else None)
        _check_labels_per_image(dataset)
        unlabelled_as = () if clean_label is None else (clean_label,)
        samples = [replace(sample, labels=sample.labels or unlabelled_as) for sample in dataset.samples]
        return replace(dataset, samples=samples, labels=_labels_of(samples)), clean_label
    _check_clean_alone(dataset, clean_label)
    samples = [
        replace(sample, labels=tuple(label for label in sample.labels if label != clean_label))
        for sample in dataset.samples
    ]
    return replace(dataset, samples=samples, labels=_labels_of(samples)), None


def no_clean_warning(dataset: DataSet, task: FitTask, clean_label: str | None) -> str | None:
    """Return a warning if a model of this data set cannot recognize clean strip, else None.

    dataset, clean_label: as returned by `for_task`.
    """
    if task == "multilabel" and all(sample.labels for sample in dataset.samples):
        return "every image has a label, so the model sees no clean strip; add images of clean strip without a label"
    return no_clean_verdict(task, dataset.labels, clean_label)


def _as_anomalies(dataset: DataSet, clean_label: str | None) -> tuple[DataSet, str]:
    unlabelled = any(not sample.labels for sample in dataset.samples)
    clean = clean_label or (CLEAN if unlabelled else _guess_clean(dataset))
    if clean == ANOMALY_LABEL:
        raise SettingsError(
            f"the clean label cannot be {ANOMALY_LABEL!r}, which is the model's label for all other frames"
        )
    samples = [
        replace(sample, labels=(clean if set(sample.labels) <= {clean} else ANOMALY_LABEL,))
        for sample in dataset.samples
    ]
    return replace(dataset, samples=samples, labels=[ANOMALY_LABEL, clean]), clean


def _guess_clean(dataset: DataSet) -> str:
    """Return the label of clean images, by its name. Raises SettingsError if no label or several have such a name.

    This also applies to a single class, which may be a defect.
    """
    named = [label for label in dataset.labels if label.lower() in _CLEAN_NAMES]
    if len(named) != 1:
        choice = ("the only class " if len(dataset.labels) == 1 else "one of ") + ", ".join(dataset.labels)
        raise SettingsError(
            f"--task anomaly needs to know which images are clean: {dataset.root} has not exactly one class that is "
            f"named {', '.join(_CLEAN_NAMES[:-1])} or {_CLEAN_NAMES[-1]}; pass --clean-label with {choice}, or "
            "--layout flat if all images are clean"
        )
    return named[0]


def _check_labels_per_image(dataset: DataSet) -> None:
    """Raise DataError, with all images concerned, if an image has several labels."""
    problems = Problems(path_text(dataset.root))
    for sample in dataset.samples:
        if len(sample.labels) > 1:
            problems.add(
                f"{dataset.root / sample.name} has {len(sample.labels)} labels, {' and '.join(sample.labels)}: "
                "multiclass allows one per image; use --task multilabel"
            )
    problems.check()


def _check_clean_alone(dataset: DataSet, clean_label: str | None) -> None:
    """Raise DataError, with all images concerned, if an image has the clean label and other labels."""
    problems = Problems(path_text(dataset.root))
    for sample in dataset.samples:
        if clean_label in sample.labels and len(sample.labels) > 1:
            problems.add(f"{dataset.root / sample.name} is labelled {clean_label!r} and has other labels, too")
    problems.check()


def _labels_of(samples: list[Sample]) -> list[str]:
    return sorted({label for sample in samples for label in sample.labels})


def _check_labels(dataset: DataSet, one_class: bool) -> None:
    labels = dataset.labels
    kinds = {sample.labels for sample in dataset.samples}
    if len(kinds) == 1 and not one_class:
        only = repr("|".join(kinds.pop())) if labels else "images without a label"
        raise DataError(
            f"{dataset.root} has only one class, {only}; training needs at least two; to train on clean "
            f"images only, use fit --task anomaly{other_tables_text(dataset.root)}"
        )
    if len(labels) > LABELS_MAX:
        raise DataError(f"{dataset.root} has {len(labels)} classes; a bundle supports at most {LABELS_MAX}")
    joined = next((label for label in labels if "|" in label), None)
    if joined is not None:
        raise DataError(f"{dataset.root}: the class name {joined!r} contains '|', which separates labels; rename it")
