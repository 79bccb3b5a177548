"""Evaluation of the novelty detector of a run: false alarms, left-out classes, and folders of unknown images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np
from rich.progress import Progress

from stripwatch.export.runs.facts.detector_facts import NoveltyFacts
from stripwatch.export.runs.keras_model import find_backbone
from stripwatch.export.runs.novelty import NoveltyDetector
from stripwatch.export.runs.relative_distance import Array
from stripwatch.export.runs.run_folder import NOVELTY_FILE, Head, Run, SplitFrame
from stripwatch.training.datasets.dataset import DataSet
from stripwatch.training.datasets.manifest import CSV_FILE, read_manifest
from stripwatch.training.datasets.samples import Sample
from stripwatch.training.evaluation.predictions import ScoredFrames, score_frames
from stripwatch.training.novelty.components import ChangedFrames
from stripwatch.training.novelty.judged_frames import JudgedFrames, LeftOut
from stripwatch.training.novelty.leave_one_out import KnownFrames, Rows, leave_each_out
from stripwatch.training.novelty.measurement import NoveltyMeasurement
from stripwatch.training.novelty.refit import RefitSettings, Refitted, refit
from stripwatch.training.novelty.run_features import CopyReader, FrameFolder, RunFeatures, find_taps, run_features
from stripwatch.training.novelty.taps import Taps
from stripwatch.training.preparation.digests import digest_frames
from stripwatch.training.preparation.groups import group_frames
from stripwatch.training.preparation.prepared_data import read_frames, to_targets
from stripwatch.training.stress.random_changes import RANDOM_CHANGES_VERSION, RandomChanges, changed_copy
from stripwatch.worker.common.errors import DataError, InputError
from stripwatch.worker.common.path_text import name_below, path_text
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.images.image_files import list_images


@dataclass(frozen=True, slots=True)
class NoveltyOptions:
    """What to measure.

    unknown: folders of images that the model should not know. leave_one_out: leave out each class in turn. cache:
    folder of cached features. groups: group number by name of frame; None finds groups. held_only: of a class that is
    left out, judge only the held-out frames, so that over several folds each frame is judged once.
    """

    unknown: Sequence[Path] = ()
    leave_one_out: bool = True
    cache: Path | None = None
    groups: Mapping[str, int] | None = None
    held_only: bool = False


@dataclass(frozen=True, slots=True)
class JudgingRun:
    """A run with its model and its novelty detector."""

    run: Run
    model: keras.Model
    facts: NoveltyFacts
    detector: NoveltyDetector
    taps: Taps

    @classmethod
    def read(cls, folder: Path, run: Run, model: keras.Model) -> "JudgingRun | None":
        """Return the run with its detector, or None if it has none. Raises InputError for a malformed or old file."""
        if run.novelty is None:
            return None
        detector = NoveltyDetector.read(folder / NOVELTY_FILE)
        taps = find_taps(find_backbone(model), detector.taps)
        if detector.statistics != taps.statistics:
            raise InputError(f"{folder / NOVELTY_FILE} was written by another version; fit the model again")
        return cls(run, model, run.novelty, detector, taps)

    @property
    def head(self) -> Head:
        """Return the head of the model."""
        return self.run.configuration.head

    def features(
        self,
        root: Path,
        frames: Sequence[SplitFrame],
        cache: Path | None,
        progress: Progress,
        copy: CopyReader | None = None,
    ) -> RunFeatures:
        """Return the features of frames, or of a changed copy of each frame."""
        folder = FrameFolder(root, frames, self.run.decode, copy)
        return run_features(self.model, self.head, self.taps, folder, cache, progress)

    def copies(
        self, root: Path, frames: Sequence[SplitFrame], cache: Path | None, progress: Progress
    ) -> ChangedFrames | None:
        """Return the changed copies of frames that the detector would learn from; None if it learned from none."""
        numbers = range(self.facts.copies)
        if not numbers:
            return None
        pooled = [self.features(root, frames, cache, progress, _copy_reader(copy)).taps for copy in numbers]
        kinds = [[RandomChanges.of(frame.name, copy).kind for frame in frames] for copy in numbers]
        return ChangedFrames(pooled, np.array(kinds))

    def judge(self, frames: Sequence[SplitFrame], features: RunFeatures, scores: Array) -> JudgedFrames:
        """Return frames with their novelty. scores: of the model, [n, labels]."""
        novelty = self.detector.score(features.taps)
        return JudgedFrames.of(frames, novelty, self.facts.threshold, scores, self.run.labels)

    def judge_unknown(
        self, root: Path, frames: Sequence[SplitFrame], cache: Path | None, progress: Progress
    ) -> JudgedFrames:
        """Return unknown frames with their novelty. With the head `gap`, cached features give the scores."""
        features = self.features(root, frames, cache, progress)
        if self.head == "gap":
            scores = np.asarray(self.model.get_layer("scores")(features.head), np.float32)
        else:
            scores = score_frames(self.model, self.run, root, frames, progress).scores
        return self.judge(frames, features, scores)


def _copy_reader(copy: int) -> CopyReader:
    return CopyReader(partial(changed_copy, copy=copy), f"changes {RANDOM_CHANGES_VERSION}, copy {copy}")


def measure_novelty(
    judging: JudgingRun,
    validation: ScoredFrames,
    test: ScoredFrames | None,
    options: NoveltyOptions,
    progress: Progress,
) -> NoveltyMeasurement:
    """Measure the novelty detector of a run.

    Reads the training frames only for leaving out classes, which needs their features. Raises DataError if a folder of
    unknown images contains a frame of the run, and what reading frames raises.
    """
    run, cache = judging.run, options.cache
    unknown = {folder: read_unknown(run, folder, progress) for folder in options.unknown}
    frames = sorted([*run.split.train, *validation.frames] if options.leave_one_out else validation.frames, key=_name)
    features = judging.features(validation.root, frames, cache, progress)
    at = {frame.name: row for row, frame in enumerate(frames)}
    held = np.array([at[frame.name] for frame in validation.frames])
    left_out: dict[str, LeftOut] = {}
    if options.leave_one_out:
        train = np.array([at[frame.name] for frame in run.split.train])
        numbers = options.groups or _group_numbers(run, validation.root, frames, progress)
        groups = [numbers[frame.name] for frame in frames]
        copies = judging.copies(validation.root, frames, cache, progress)
        left_out = _leave_out(judging, frames, features, copies, groups, (train, held), options.held_only, progress)
    return NoveltyMeasurement(
        run=run,
        root=validation.root,
        thresholds=[judging.facts.threshold],
        known=judging.judge(validation.frames, features.at(held), validation.scores),
        left_out=left_out,
        unknown={folder: judging.judge_unknown(folder, found, cache, progress) for folder, found in unknown.items()},
        test=None if test is None else _judge_test(judging, test, cache, progress),
        leave_one_out=options.leave_one_out,
    )


def _leave_out(
    judging: JudgingRun,
    frames: Sequence[SplitFrame],
    features: RunFeatures,
    copies: ChangedFrames | None,
    groups: Sequence[int],
    parts: tuple[Rows, Rows],
    held_only: bool,
    progress: Progress,
) -> dict[str, LeftOut]:
    """Leave out each class of a run in turn.

    frames, features, copies, groups: of all frames, [n]. parts: positions of the training frames and of the held-out
    ones. held_only: as for leave_each_out.
    """
    run = judging.run
    targets = to_targets([frame.labels for frame in frames], run.labels)
    known = KnownFrames(run.labels, frames, targets, *parts)
    configuration, rate = run.configuration, judging.facts.false_alarm_rate
    settings = RefitSettings(
        judging.taps, features, targets, groups, configuration.label_task, rate, configuration.seed, copies
    )

    def fit(rows: Rows, labels: Rows) -> Refitted | None:
        return refit(settings, rows, labels)

    task = progress.add_task("leaving out classes", total=len(run.labels))
    return leave_each_out(known, fit, held_only, lambda: progress.advance(task))


def read_unknown(run: Run, folder: Path, progress: Progress) -> list[SplitFrame]:
    """Return the images in a folder, which the model should not know.

    Raises InputError if it has none, DataError if an image cannot be decoded or belongs to the run.
    """
    found = list_images(folder)
    for note in found.notes:
        say(note)
    names = [name_below(folder, path) for path in found.files]
    dataset = DataSet(folder, [Sample(name, ()) for name in names], [], "")
    task = progress.add_task(f"reading {path_text(folder.name)}", total=len(names))
    frames = read_frames(dataset, run.decode, lambda: progress.advance(task))[0]
    own = {frame.sha256: frame.name for frame in run.split.train + run.split.validation}
    for frame in frames:
        if frame.sha256 in own:
            raise DataError(
                f"--unknown {path_text(folder)}: {frame.name} is the frame {own[frame.sha256]} of the run, which the "
                "model knows; remove it from the folder"
            )
    return frames


def _group_numbers(run: Run, root: Path, frames: Sequence[SplitFrame], progress: Progress) -> dict[str, int]:
    """Return the group number of each frame by name, as for a split: near duplicates, and frames of one coil."""
    coils: dict[str, str | None] = {}
    if run.configuration.layout == "manifest" and (root / CSV_FILE).exists():
        coils = {sample.name: sample.coil for sample in read_manifest(root)}
    samples = [Sample(frame.name, frame.labels, coils.get(frame.name)) for frame in frames]
    task = progress.add_task("finding duplicates", total=len(samples))
    dataset = DataSet(root, samples, run.labels, run.configuration.layout)
    numbers = group_frames(samples, digest_frames(dataset, run.decode, lambda: progress.advance(task)))
    return {frame.name: number for frame, number in zip(frames, numbers, strict=True)}


def _judge_test(judging: JudgingRun, test: ScoredFrames, cache: Path | None, progress: Progress) -> JudgedFrames:
    features = judging.features(test.root, test.frames, cache, progress)
    return judging.judge(test.frames, features, test.scores)


def _name(frame: SplitFrame) -> str:
    return frame.name
