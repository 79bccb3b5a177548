"""Preparation of a data set for fitting: checks every file, splits the set, and converts labels to targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.run_folder import Split, SplitFrame
from stripwatch.training.annotations.annotations import CLEAN, Annotations
from stripwatch.training.datasets.dataset import DataSet
from stripwatch.training.preparation.digests import data_sha256
from stripwatch.training.preparation.frame_errors import find_errors, require_usable
from stripwatch.training.preparation.frame_set import DataCheck, FrameSet, read_frame_set
from stripwatch.training.preparation.sample_depths import check_levels, choose_levels, depth_notes
from stripwatch.training.preparation.split_file import check_split, read_split
from stripwatch.training.preparation.stratified_split import SplitParts, split_frames
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import file_below
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.trained_range import TrainedFrames


@dataclass(frozen=True, slots=True)
class Subset:
    """The training or validation part of a data set.

    files: [n]. targets: float32 [n, labels], 1 for each label of an image: exactly one in multiclass, any number in
    multilabel. annotations: [n] if annotations are used, else empty; None for an image that was not annotated.
    """

    files: list[Path]
    targets: NDArray[np.float32]
    labels: list[str]
    annotations: list[Annotations | None] = field(default_factory=list)

    @property
    def truth(self) -> NDArray[np.intp]:
        """Return the index of each image's label, [n]. Only meaningful in multiclass."""
        return np.asarray(self.targets.argmax(axis=1))


@dataclass(frozen=True, slots=True)
class PreparedData:
    """A data set that is split and ready for fitting.

    spec: the given decode spec, with the levels chosen on the training part. trained: sizes of the training frames.
    groups: group number of each training frame, see group_frames.
    """

    spec: DecodeSpec
    split: Split
    train: Subset
    validation: Subset
    trained: TrainedFrames
    groups: list[int]

    @property
    def data_sha256(self) -> str:
        """Return the digest of the whole data set."""
        frames = self.split.train + self.split.validation
        return data_sha256((frame.name, frame.label, frame.sha256) for frame in frames)


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """Settings of a split.

    every: require each class in both parts. file: use the split of this run.json. auto_levels: choose the levels of the
    decode spec from the training part. only: train on frames with this label only; all others are for validation.
    """

    val_share: float
    seed: int
    every: bool = True
    file: Path | None = None
    auto_levels: bool = False
    only: str | None = None


def prepare_data(
    dataset: DataSet,
    spec: DecodeSpec,
    plan: SplitPlan,
    on_frame: Callable[[], None],
    find_marks: Callable[[SplitFrame], Annotations | None] | None = None,
    check: DataCheck | None = None,
) -> PreparedData:
    """Read and check every file, then split the data set or apply an earlier split.

    on_frame: called after each file. find_marks: returns the annotations of a frame. check: further checks of the data.
    Raises DataError, with all of them, if files or classes cannot be used for training, or if the earlier split does
    not belong to these files.
    """
    found = read_frame_set(dataset, spec, on_frame)
    require_usable(found, find_errors(found, spec))
    if check is not None:
        check.check_frames(found)
    frames, groups, digests = describe_frames(found, spec), found.groups, found.digests
    if plan.file is None:
        split = _new_split(frames, groups, plan)
    else:
        split = read_split(plan.file)
        check_split(split, frames, plan.file)
        _check_only(split, plan)
    _warn(dataset.labels if plan.only is None else [plan.only], split)
    sizes = {frame.name: (digest.width_px, digest.height_px) for frame, digest in zip(frames, digests, strict=True)}
    if check is not None:
        check.check_split(found, split)
    trained = TrainedFrames.of([sizes[frame.name] for frame in split.train])
    _warn_of_sizes(trained, [sizes[frame.name] for frame in split.validation])
    train, validation = (_subset(dataset, part, find_marks) for part in (split.train, split.validation))
    if plan.auto_levels:
        levels = choose_levels(dataset.root, [frame.name for frame in split.train], spec.bit_depth)
        say(f"levels: black at {levels.black:.4f}, white at {levels.white:.4f} of the full scale")
        spec = msgspec.structs.replace(spec, levels=levels)
        check_levels([sample.name for sample in dataset.samples], [digest.depth for digest in digests], spec)
    number = {frame.name: group for frame, group in zip(frames, groups, strict=True)}
    return PreparedData(spec, split, train, validation, trained, [number[frame.name] for frame in split.train])


def _new_split(frames: Sequence[SplitFrame], groups: Sequence[int], plan: SplitPlan) -> Split:
    usable = [at for at, frame in enumerate(frames) if plan.only is None or frame.labels == (plan.only,)]
    if not usable:
        raise DataError(f"no image has the label {plan.only!r}, so there is nothing to train on")
    label_sets = [frames[at].labels for at in usable]
    parts = split_frames(label_sets, [groups[at] for at in usable], plan.val_share, plan.seed, plan.every)
    train = {usable[at] for at in parts.train}
    return apply_split(frames, SplitParts(sorted(train), [at for at in range(len(frames)) if at not in train]))


def _check_only(split: Split, plan: SplitPlan) -> None:
    """Raise DataError if an earlier split trains on frames with another label than `only`."""
    other = next((frame for frame in split.train if plan.only is not None and frame.labels != (plan.only,)), None)
    if other is not None:
        raise DataError(
            f"--split {plan.file} trains on {other.name}, which is not {plan.only!r}; omit --split, or use the one of "
            "an anomaly run"
        )


def _warn(labels: Sequence[str], split: Split) -> None:
    for name, frames in (("training", split.train), ("validation", split.validation)):
        missing = sorted(set(labels) - {label for frame in frames for label in frame.labels})
        if missing:
            say(f"warning: no {name} image has the label {', '.join(missing)}; its figures are meaningless")


def _warn_of_sizes(trained: TrainedFrames, validation: Sequence[tuple[int, int]]) -> None:
    """Warn of validation images whose sizes did not occur in training, because the worker will flag such frames."""
    if outside := sum(not trained.admits_size(*size) for size in validation):
        say(
            f"warning: {outside} of {len(validation)} validation images differ in size from the training images "
            f"({trained}); the worker flags such frames as unsure"
        )


def read_frames(
    dataset: DataSet, spec: DecodeSpec, on_frame: Callable[[], None], check: DataCheck | None = None
) -> tuple[list[SplitFrame], list[int]]:
    """Return each frame as recorded in a run folder, and its group number, in the order of the samples.

    check: further checks of the data. Raises DataError, with all of them, if files cannot be used for training or
    their bit depth is unknown.
    """
    found = read_frame_set(dataset, spec, on_frame)
    require_usable(found, find_errors(found, spec))
    if check is not None:
        check.check_frames(found)
    return describe_frames(found, spec), found.groups


def describe_frames(found: FrameSet, spec: DecodeSpec) -> list[SplitFrame]:
    """Return each frame as recorded in a run folder, and print notes about bit depths."""
    names, depths = [sample.name for sample in found.samples], [digest.depth for digest in found.digests]
    for note in depth_notes(names, depths, spec):
        say(note)
    return [
        SplitFrame(sample.name, sample.joined, digest.file_sha256)
        for sample, digest in zip(found.samples, found.digests, strict=True)
    ]


def apply_split(frames: Sequence[SplitFrame], parts: SplitParts) -> Split:
    """Return the frames at the positions of each part."""
    return Split([frames[at] for at in parts.train], [frames[at] for at in parts.validation])


def to_targets(label_sets: Sequence[tuple[str, ...]], labels: Sequence[str]) -> NDArray[np.float32]:
    """Return label sets as float32 [n, labels] of 0 and 1."""
    position = {label: at for at, label in enumerate(labels)}
    targets = np.zeros((len(label_sets), len(labels)), np.float32)
    for row, found in zip(targets, label_sets, strict=True):
        row[[position[label] for label in found]] = 1
    return targets


def join_subsets(first: Subset, second: Subset, order: Sequence[int]) -> Subset:
    """Return both subsets as one, without annotations. order: positions in their concatenation."""
    files = first.files + second.files
    targets = np.concatenate([first.targets, second.targets])
    return Subset([files[at] for at in order], targets[list(order)], first.labels)


def annotations_finder(
    marks: Mapping[str, Annotations], clean_label: str | None
) -> Callable[[SplitFrame], Annotations | None]:
    """Return a function that finds the annotations of a frame.

    It returns empty annotations for a clean frame, and None for a defective frame that was not annotated.
    """

    def find(frame: SplitFrame) -> Annotations | None:
        clean = all(label == clean_label for label in frame.labels)
        return marks.get(frame.name, CLEAN if clean else None)

    return find


def _subset(
    dataset: DataSet, frames: Sequence[SplitFrame], find_marks: Callable[[SplitFrame], Annotations | None] | None
) -> Subset:
    targets = to_targets([frame.labels for frame in frames], dataset.labels)
    marks = [find_marks(frame) for frame in frames] if find_marks else []
    return Subset([file_below(dataset.root, frame.name) for frame in frames], targets, dataset.labels, marks)
