"""Stage of a fit after the head: the regressor that predicts a box for each cell of the dense head."""

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
from rich.progress import Progress

from stripwatch.export.runs.cell_boxes import BoxRegressor, cell_centres
from stripwatch.training.fitting.boxes.box_fit import BoxSamples, fit_regressor
from stripwatch.training.fitting.boxes.box_targets import BoxTargets, box_targets
from stripwatch.training.fitting.features.feature_cache import Features, read_features
from stripwatch.training.fitting.features.frame_features import PREDICT_BATCH, FeatureFiles, training_rows
from stripwatch.training.preparation.input_pipeline import read_batches
from stripwatch.training.preparation.prepared_data import PreparedData, Subset
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.common.terminal.progress import one_step
from stripwatch.worker.model.bundle import CellGrid

_BYTES_MAX = 400e6  # of the features of cells
_CELLS_PER_FRAME_MAX = 64
_BOXES_MIN = 10  # with fewer, a box would be learned by heart


@dataclass(frozen=True, slots=True)
class FittedBoxes:
    """The regressor, and the number of annotated boxes that it learned from."""

    regressor: BoxRegressor
    boxes: int


def fit_boxes(
    model: keras.Model,
    grid: CellGrid,
    prepared: PreparedData,
    files: FeatureFiles | None,
    seed: int,
    progress: Progress,
) -> FittedBoxes | None:
    """Fit the regressor on the training frames; None, with a note, if they have too few boxes.

    model: the finished model. grid: of its cells. files: cached features of the frames, if they are those of the
    finished model; None to compute them.
    """
    cells = keras.Model(model.inputs, model.get_layer("hidden").input)
    shape, train = cells.output_shape[1:], prepared.train
    rng = np.random.default_rng(seed)
    most = int(np.clip(_BYTES_MAX / (4 * shape[-1] * len(train.files)), 1, _CELLS_PER_FRAME_MAX))
    every = [
        box_targets(marks, train.labels, shape[:2], grid, prepared.spec).sample(most, rng)
        for marks in train.annotations
    ]
    boxes = sum(each.boxes for each in every)
    if boxes < _BOXES_MIN:
        say(
            f"note: the training images have {boxes} annotated boxes, and at least {_BOXES_MIN} are needed to predict "
            "boxes; boxes are regions of the heatmaps instead"
        )
        return None
    marked = [at for at, each in enumerate(every) if len(each.cells)]
    maps = _maps(cells, prepared, marked, files, progress)
    centres = cell_centres(grid, *shape[:2]).reshape(-1, 2)
    samples = _samples([every[at] for at in marked], maps, centres)
    with one_step(progress, "fitting the boxes"):
        regressor = fit_regressor(samples, len(train.labels), grid.step_px, seed)
    return FittedBoxes(regressor, boxes)


def _maps(
    cells: keras.Model, prepared: PreparedData, marked: list[int], files: FeatureFiles | None, progress: Progress
) -> Iterator[Features]:
    """Yield the feature map of each training frame at these positions, [h, w, c]."""
    if files is not None:
        kept, rows = read_features(files.head), training_rows(prepared)
        yield from (np.asarray(kept[rows[at]]) for at in marked)
        return
    train = prepared.train
    part = Subset([train.files[at] for at in marked], train.targets[marked], train.labels)
    task = progress.add_task("features of boxes", total=len(marked))
    for frames, _ in read_batches(part, prepared.spec, PREDICT_BATCH):
        yield from np.asarray(cells.predict_on_batch(frames), np.float32)
        progress.advance(task, len(frames))


def _samples(targets: list[BoxTargets], maps: Iterator[Features], centres: Features) -> BoxSamples:
    parts = [each.reshape(-1, each.shape[-1])[target.cells] for target, each in zip(targets, maps, strict=True)]
    return BoxSamples(
        np.concatenate(parts),
        np.concatenate([centres[target.cells] for target in targets]),
        np.concatenate([target.edges for target in targets]),
        np.concatenate([target.labels for target in targets]),
        np.concatenate([target.weights for target in targets]),
    )
