"""Features of changed copies of the training frames, which a frozen backbone computes once, like those of the frames.

A head that is fitted on them withstands the changes, at the cost of one pass of the backbone for each copy instead of
one for each epoch.
"""

import zlib
from collections.abc import Iterator, Sequence

import keras
import numpy as np
from rich.progress import Progress

from stripwatch.export.runs.run_folder import SplitFrame
from stripwatch.training.fitting.features.feature_cache import Features, read_features, write_features
from stripwatch.training.fitting.features.frame_features import PREDICT_BATCH, CopyFiles, every_frame, read_cached
from stripwatch.training.preparation.input_pipeline import CellTargets, Seeds, cell_batches, read_batches
from stripwatch.training.preparation.prepared_data import PreparedData, Subset


def copy_seeds(frames: Sequence[SplitFrame], seed: int, copy: int) -> Seeds:
    """Return seeds, [n, 2], for the changes of a copy of these frames. They do not depend on the split."""
    return np.array([(seed, zlib.crc32(f"{copy} {frame.name}".encode())) for frame in frames], np.int64).reshape(-1, 2)


def cache_copies(files: CopyFiles, model: keras.Model, prepared: PreparedData, progress: Progress) -> None:
    """Write the files that do not exist. model: maps frames to features of the head."""
    missing = [(copy, path) for copy, path in enumerate(files.paths) if not path.exists()]
    if not missing:
        return
    part, frames = every_frame(prepared) if files.shared else (prepared.train, prepared.split.train)
    task = progress.add_task("features of changed copies", total=len(part.files) * len(missing))

    def predicted(copy: int) -> Iterator[Features]:
        seeds = copy_seeds(frames, files.seed, copy)
        for batch, _ in read_batches(part, prepared.spec, PREDICT_BATCH, seeds=seeds):
            yield np.asarray(model.predict_on_batch(batch), np.float32)
            progress.advance(task, len(batch))

    for copy, path in missing:
        write_features(path, predicted(copy), (len(part.files), *model.output_shape[1:]))


def with_copies(train: Features, files: CopyFiles | None, prepared: PreparedData) -> Features:
    """Return the features of the training frames, followed by those of each copy. [n * (1 + copies), ...]"""
    if files is None:
        return train
    found = np.empty((len(train) * (1 + len(files.paths)), *train.shape[1:]), np.float32)
    found[: len(train)] = train
    for copy, path in enumerate(files.paths, start=1):
        rows = read_cached(path, prepared)[0] if files.shared else read_features(path)
        found[len(train) * copy : len(train) * (copy + 1)] = rows
    return found


def marked_cells(prepared: PreparedData, part: Subset, cells: CellTargets, files: CopyFiles | None) -> Features:
    """Return the cell targets of a part, [n, h, w, classes]; with files, those of the rows of with_copies."""
    spec = prepared.spec
    batches = [cell_batches(part, spec, PREDICT_BATCH, cells)]
    if files is not None:
        for copy in range(len(files.paths)):
            seeds = copy_seeds(prepared.split.train, files.seed, copy)
            batches.append(cell_batches(part, spec, PREDICT_BATCH, cells, seeds))
    return np.concatenate([found for each in batches for found in each.as_numpy_iterator()])
