"""Features of changed copies of the training frames, which a frozen backbone computes once, like those of the frames.

A head that is fitted on them withstands the changes, at the cost of one pass of the backbone for each copy instead of
one for each epoch.
"""

import zlib
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf
from rich.progress import Progress

from stripwatch.export.runs.run_folder import SplitFrame
from stripwatch.training.fitting.features.feature_cache import Features, read_features, write_features
from stripwatch.training.fitting.features.frame_features import PREDICT_BATCH, CopyFiles, every_frame, read_cached
from stripwatch.training.novelty.components import ChangedFrames
from stripwatch.training.novelty.taps import with_pooled_taps
from stripwatch.training.preparation.input_pipeline import CellTargets, Seeds, cell_batches, read_batches
from stripwatch.training.preparation.prepared_data import PreparedData, Subset
from stripwatch.training.stress.random_changes import RandomChanges, changed_copy
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels


def copy_seeds(frames: Sequence[SplitFrame], seed: int, copy: int) -> Seeds:
    """Return seeds, [n, 2], for the changes of a copy of these frames. They do not depend on the split."""
    return np.array([(seed, zlib.crc32(f"{copy} {frame.name}".encode())) for frame in frames], np.int64).reshape(-1, 2)


def cache_copies(files: CopyFiles, model: keras.Model, prepared: PreparedData, progress: Progress) -> None:
    """Write the files that do not exist. model: maps frames to features of the head."""
    missing = [copy for copy in range(len(files.paths)) if not _is_complete(files, copy)]
    if not missing:
        return
    part, frames = every_frame(prepared) if files.shared else (prepared.train, prepared.split.train)
    task = progress.add_task("features of changed copies", total=len(part.files) * len(missing))
    shape, found = (len(part.files), *model.output_shape[1:]), list[Features]()
    view = model if files.taps is None else with_pooled_taps(model, files.taps)

    def predicted(copy: int) -> Iterator[Features]:
        for batch, _ in _changed_batches(files, copy, part, frames, prepared.spec):
            outputs = view.predict_on_batch(batch)
            head, *taps = outputs if files.taps is not None else [outputs]
            found.extend(taps)
            yield np.asarray(head, np.float32)
            progress.advance(task, len(batch))

    for copy in missing:
        found.clear()
        write_features(files.paths[copy], predicted(copy), shape)
        tap_path = files.tap_path(copy)
        if files.taps is not None and tap_path is not None:
            write_features(tap_path, found, (len(part.files), files.taps.features))


def _is_complete(files: CopyFiles, copy: int) -> bool:
    tap_path = files.tap_path(copy)
    return files.paths[copy].exists() and (tap_path is None or tap_path.exists())


def _changed_batches(
    files: CopyFiles, copy: int, part: Subset, frames: Sequence[SplitFrame], spec: DecodeSpec
) -> tf.data.Dataset:
    if not files.strong:
        return read_batches(part, spec, PREDICT_BATCH, seeds=copy_seeds(frames, files.seed, copy))

    def change(at: int, encoded: bytes) -> Pixels:
        return changed_copy(encoded, spec, frames[at].name, copy)

    return read_batches(part, spec, PREDICT_BATCH, change=change)


def changed_taps(files: CopyFiles | None, prepared: PreparedData) -> ChangedFrames | None:
    """Return the features of the taps of the copies of the training frames; None if they are not stored."""
    if files is None or files.taps is None:
        return None
    pooled = []
    for copy in range(len(files.paths)):
        path = files.tap_path(copy)
        assert path is not None
        pooled.append(files.taps.split(read_cached(path, prepared)[0] if files.shared else read_features(path)))
    kinds = [[RandomChanges.of(frame.name, copy).kind for frame in prepared.split.train] for copy in range(len(pooled))]
    return ChangedFrames(pooled, np.array(kinds))


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
