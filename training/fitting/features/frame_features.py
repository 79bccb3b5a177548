"""Features of all frames, computed in one pass with a frozen backbone: of the head, and of the novelty detector."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from rich.progress import Progress

from stripwatch.export.runs.run_folder import SplitFrame
from stripwatch.training.fitting.features.feature_cache import (
    Features,
    copy_name,
    read_features,
    strong_copy_name,
    taps_name,
    write_features,
)
from stripwatch.training.novelty.taps import Taps, with_pooled_taps
from stripwatch.training.preparation.input_pipeline import read_batches
from stripwatch.training.preparation.prepared_data import PreparedData, Subset, join_subsets
from stripwatch.training.stress.random_changes import RANDOM_CHANGES_VERSION

PREDICT_BATCH = 32  # independent of --batch: 64 frames of VGG19 at 224x224 already take 800 MB per layer


@dataclass(frozen=True, slots=True)
class TapFile:
    """File of the cached features of taps. taps: of the backbone that computes them."""

    path: Path
    taps: Taps


@dataclass(frozen=True, slots=True)
class CopyFiles:
    """Files of the features of changed copies, which need not exist yet.

    paths: one for each copy. seed: of the fit; it determines the changes if they are mild. shared: copies of validation
    frames are in the files, too, so that fits with another split can use them. strong: the changes are strong. taps:
    of the backbone, if their features are stored as well.
    """

    paths: tuple[Path, ...]
    seed: int
    shared: bool
    strong: bool = False
    taps: Taps | None = None

    @classmethod
    def of(cls, head: Path, copies: int, seed: int, shared: bool) -> "CopyFiles":
        """Return the files of this many copies next to the file of the frames' own features, `head`."""
        paths = (head.with_name(copy_name(head.name, seed, copy, shared)) for copy in range(copies))
        return cls(tuple(paths), seed, shared)

    @classmethod
    def strong_of(cls, head: Path, copies: int, shared: bool, taps: Taps | None) -> "CopyFiles":
        """Return the files of this many strongly changed copies next to the file of the frames' own features."""
        names = (strong_copy_name(head.name, RANDOM_CHANGES_VERSION, copy, shared) for copy in range(copies))
        return cls(tuple(head.with_name(name) for name in names), 0, shared, True, taps)

    def tap_path(self, copy: int) -> Path | None:
        """Return the file of the features of the taps of a copy, or None if they are not stored."""
        if self.taps is None:
            return None
        path = self.paths[copy]
        return path.with_name(taps_name(path.name, self.taps.positions, self.taps.statistics))


@dataclass(frozen=True, slots=True)
class FeatureFiles:
    """Files of cached features, which need not exist yet. taps, copies: None if these are not cached."""

    head: Path
    taps: TapFile | None = None
    copies: CopyFiles | None = None


def cache_features(files: FeatureFiles, model: keras.Model, prepared: PreparedData, progress: Progress) -> None:
    """Write the files that do not exist, in one pass over all frames. model: maps frames to features of the head."""
    tap_file = None if files.taps is None or files.taps.path.exists() else files.taps
    if files.head.exists() and tap_file is None:
        return
    shape, taps_found = model.output_shape[1:], []
    if tap_file is not None:
        model = with_pooled_taps(model, tap_file.taps)
    every, _ = every_frame(prepared)

    def head_features() -> Iterator[Features]:
        for head, *taps in _predicted(model, every, prepared, progress):
            taps_found.extend(taps)
            yield head

    if files.head.exists():
        deque(head_features(), maxlen=0)
    else:
        write_features(files.head, head_features(), (len(every.files), *shape))
    if tap_file is not None:
        write_features(tap_file.path, taps_found, (len(every.files), tap_file.taps.features))


def read_cached(file: Path, prepared: PreparedData) -> tuple[Features, Features]:
    """Return the features of training and validation frames, [n, ...], from a file that exists."""
    kept, row = read_features(file), np.argsort(_order(prepared))
    split_at = len(prepared.split.train)
    return kept[row[:split_at]], kept[row[split_at:]]


def training_rows(prepared: PreparedData) -> list[int]:
    """Return the row of each training frame in a feature file."""
    return [int(row) for row in np.argsort(_order(prepared))[: len(prepared.split.train)]]


def every_frame(prepared: PreparedData) -> tuple[Subset, list[SplitFrame]]:
    """Return training and validation frames in the order of their names, which makes files independent of the split."""
    frames, order = prepared.split.train + prepared.split.validation, _order(prepared)
    return join_subsets(prepared.train, prepared.validation, order), [frames[at] for at in order]


def _order(prepared: PreparedData) -> list[int]:
    """Return the positions of all frames in the order of their names."""
    frames = prepared.split.train + prepared.split.validation
    return sorted(range(len(frames)), key=lambda at: frames[at].name)


def _predicted(
    model: keras.Model, every: Subset, prepared: PreparedData, progress: Progress
) -> Iterator[list[Features]]:
    """Yield all outputs of the model for each batch."""
    task = progress.add_task("features", total=len(every.files))
    for frames, _ in read_batches(every, prepared.spec, PREDICT_BATCH):
        found = model.predict_on_batch(frames)
        yield [np.asarray(each, np.float32) for each in (found if len(model.outputs) > 1 else [found])]
        progress.advance(task, len(frames))
