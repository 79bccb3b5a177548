"""Predictions of a finished run on labelled frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from rich.progress import Progress

from stripwatch.export.runs.frames import read_pixels
from stripwatch.export.runs.predicted_labels import Flags, predicted_labels
from stripwatch.export.runs.run_folder import Run, SplitFrame
from stripwatch.training.datasets.dataset import DataSet, for_task, read_dataset
from stripwatch.training.datasets.formats.problems import nearest_text
from stripwatch.training.evaluation.scores import Matrix
from stripwatch.training.preparation.digests import data_sha256
from stripwatch.training.preparation.finding import counted, make_finding, some
from stripwatch.training.preparation.prepared_data import read_frames, to_targets
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.common.terminal.file_counts import FileCounts

_BATCH = 32


@dataclass(frozen=True, slots=True)
class ScoredFrames:
    """Labelled frames with their scores.

    root: folder of the frames. frames: [n]. targets, scores: float32 [n, labels]; targets are 0 and 1.
    """

    root: Path
    frames: list[SplitFrame]
    targets: Matrix
    scores: Matrix

    @property
    def data_sha256(self) -> str:
        """Return the digest of the frames as a data set."""
        return data_sha256((frame.name, frame.label, frame.sha256) for frame in self.frames)

    def right(self, run: Run) -> Flags:
        """Return bool [n], true for frames whose labels are all predicted correctly."""
        predicted = predicted_labels(self.scores, run.configuration.label_task)
        return np.asarray((predicted == (self.targets > 0)).all(axis=1))


def score_frames(
    model: keras.Model, run: Run, root: Path, frames: Sequence[SplitFrame], progress: Progress
) -> ScoredFrames:
    """Score frames with a model. Raises InputError if a file is missing or has changed since the run."""
    task = progress.add_task("scoring", total=len(frames))
    rows = []
    for at in range(0, len(frames), _BATCH):
        pixels = read_pixels(root, frames[at : at + _BATCH], run.decode)
        rows.append(np.asarray(model.predict_on_batch(pixels), np.float32))
        progress.advance(task, len(pixels))
    targets = to_targets([frame.labels for frame in frames], run.labels)
    return ScoredFrames(root, list(frames), targets, np.concatenate(rows))


def read_test_frames(run: Run, root: Path, layout: str, progress: Progress) -> tuple[list[SplitFrame], FileCounts]:
    """Return every frame of another data folder, and how many of its files are used and skipped.

    layout: of the folder, or "auto". One class is enough, such as a clean coil that must not give alarms. Raises
    DataError for a label that the run does not know.
    """
    found = read_dataset(root, layout, merge_labels=run.configuration.merge_labels, one_class=True)
    for note in found.notes:
        say(note)
    dataset, _ = for_task(found, run.configuration.task, run.clean_label, clean_required=False)
    _check_known(run, root, dataset)
    task = progress.add_task("reading", total=len(dataset.samples))
    frames = read_frames(dataset, run.decode, lambda: progress.advance(task))[0]
    _warn_of_training_frames(run, root, frames)
    return frames, found.files


def _check_known(run: Run, root: Path, dataset: DataSet) -> None:
    """Raise DataError, with all labels that the run does not know and one image of each."""
    first: dict[str, str] = {}
    for sample in dataset.samples:
        for label in sample.labels:
            if label not in run.labels:
                first.setdefault(label, sample.name)
    if first:
        named = ", ".join(
            f"{label!r}{nearest_text(label, run.labels)} ({root / name})" for label, name in sorted(first.items())
        )
        raise DataError(
            f"test images have labels that the model does not know: {named}; it knows {', '.join(run.labels)}"
        )


def _warn_of_training_frames(run: Run, root: Path, frames: Sequence[SplitFrame]) -> None:
    """Print a warning if test frames are files of the training part. The survey also finds near duplicates."""
    trained = {frame.sha256: frame.name for frame in run.split.train}
    pairs = [(trained[frame.sha256], frame.name) for frame in frames if frame.sha256 in trained]
    if pairs:
        what = (
            f"{len(pairs):,} of {counted(len(frames), 'image')} in {path_text(root)} are training images of the model, "
            f"so the figures are optimistic: {some([f'{name} is {own}' for own, name in pairs])}"
        )
        advice = "Remove them; survey --test also finds near duplicates."
        say(make_finding("leak-to-test", what, [name for _, name in pairs], remedy=advice).line)
