"""The frames of a search, read once: labels, groups, folds, and the facts on which candidates depend."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from stripwatch.export.runs.files import read_whole
from stripwatch.export.runs.run_folder import SplitFrame, Task
from stripwatch.training.datasets.dataset import DataSet
from stripwatch.training.findings.checks import FitCheck
from stripwatch.training.frontier.plan.candidates import FrameFacts
from stripwatch.training.preparation.digests import data_sha256
from stripwatch.training.preparation.frame_errors import find_errors, require_usable
from stripwatch.training.preparation.frame_set import read_frame_set
from stripwatch.training.preparation.prepared_data import Subset, describe_frames, to_targets
from stripwatch.training.preparation.stratified_split import SplitParts, fold_frames, split_frames
from stripwatch.worker.common.path_text import file_below
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.images.decode_spec import DecodeSpec

_COMPARED_SIZE = DecodeSpec(256, 256)  # duplicates are compared at this size


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """Settings of the folds. frames_max: largest number of frames that take part."""

    folds: int
    seed: int
    frames_max: int


@dataclass(frozen=True, slots=True)
class SearchFrames:
    """The frames of a data set.

    every: all frames, as recorded in a run folder; every_group: their group numbers. frames: those that the search
    uses, [n]. groups: group number of each one, which folds keep together. folds: of the cross-validation. facts: for
    the choice of candidates. mean_px: mean number of pixels of a frame.
    """

    dataset: DataSet
    task: Task
    clean_label: str | None
    bit_depth: int | None
    every: list[SplitFrame]
    every_group: list[int]
    frames: list[SplitFrame]
    groups: list[int]
    folds: list[SplitParts]
    facts: FrameFacts
    mean_px: float

    @property
    def subset(self) -> Subset:
        """Return all frames as files with targets."""
        files = [file_below(self.dataset.root, frame.name) for frame in self.frames]
        targets = to_targets([frame.labels for frame in self.frames], self.dataset.labels)
        return Subset(files, targets, self.dataset.labels)

    @property
    def data_sha256(self) -> str:
        """Return the digest of the data set."""
        return data_sha256((frame.name, frame.label, frame.sha256) for frame in self.frames)

    def sample(self, count: int) -> list[Path]:
        """Return up to this many evenly spaced files."""
        at = np.unique(np.linspace(0, len(self.frames) - 1, min(count, len(self.frames))).round().astype(int))
        return [file_below(self.dataset.root, self.frames[each].name) for each in at]

    def encoded(self, count: int) -> list[bytes]:
        """Return up to this many evenly spaced encoded frames."""
        return [read_whole(path) for path in self.sample(count)]


def read_search_frames(
    dataset: DataSet,
    task: Task,
    clean_label: str | None,
    bit_depth: int | None,
    plan: FoldPlan,
    on_frame: Callable[[], None],
) -> SearchFrames:
    """Read and check every file, choose the frames of the search, and divide them into folds as `crossval` does.

    dataset, clean_label: as returned by `for_task`. on_frame: called after each file. Raises DataError, with all of
    them, if files cannot be used for training or a class has too few groups for the folds.
    """
    spec = msgspec.structs.replace(_COMPARED_SIZE, bit_depth=bit_depth)
    found = read_frame_set(dataset, spec, on_frame)
    require_usable(found, find_errors(found, spec))
    FitCheck(dataset, task, clean_label).check_frames(found)
    every = describe_frames(found, spec)
    chosen = _choose(every, found.groups, plan, task == "multiclass")
    frames, groups = [every[at] for at in chosen], [found.groups[at] for at in chosen]
    parts = fold_frames([frame.labels for frame in frames], groups, plan.folds, plan.seed, task == "multiclass")
    digests = found.digests
    smallest = min(digests, key=lambda digest: digest.width_px * digest.height_px)
    facts = FrameFacts(
        smallest.height_px,
        smallest.width_px,
        jpeg=all(digest.facts is not None and digest.facts.format == "jpeg" for digest in digests),
        colour=any(digest.facts is None or digest.facts.has_colour is not False for digest in digests),
    )
    mean_px = float(np.mean([digest.width_px * digest.height_px for digest in digests]))
    return SearchFrames(
        dataset, task, clean_label, bit_depth, every, found.groups, frames, groups, parts, facts, mean_px
    )


def _choose(frames: Sequence[SplitFrame], groups: Sequence[int], plan: FoldPlan, every: bool) -> Sequence[int]:
    """Return the positions of the frames of the search: all, or a part with about the same shares of labels."""
    if len(frames) <= plan.frames_max:
        return range(len(frames))
    label_sets = [frame.labels for frame in frames]
    part = split_frames(label_sets, groups, plan.frames_max / len(frames), plan.seed, every).validation
    say(f"note: the search uses {len(part):,} of {len(frames):,} images (--images-max); the fit uses all")
    return part
