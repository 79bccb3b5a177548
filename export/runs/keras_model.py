"""The Keras model of a run, and the variant of it that is exported."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from stripwatch.export.runs.cell_boxes import BoxRegressor, box_tensor
from stripwatch.export.runs.novelty import NoveltyDetector, novelty_tensor
from stripwatch.export.runs.run_folder import BOXES_FILE, MODEL_FILE, NOVELTY_FILE, Head, Run
from stripwatch.export.runs.tapped_model import with_taps
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.bundle import BOXES_NAME, HEATMAPS_NAME, NOVELTY_NAME, SCORES_NAME, CellGrid


@dataclass(frozen=True, slots=True)
class BoxOutput:
    """What the output with the predicted boxes needs. grid, decode: of the run."""

    regressor: BoxRegressor
    grid: CellGrid
    decode: DecodeSpec


# Layer of an anomaly model, [n, h, w, 2]. The first value of a place is the logit of its score.
PLACES = "anomaly_places"


def load_model(folder: Path) -> keras.Model:
    """Load the trained model, which maps uint8 [n, h, w, c] to scores, float32 [n, labels].

    Raises InputError, with the path, if the file cannot be loaded.
    """
    path = folder / MODEL_FILE
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # zipfile, h5py and keras raise several unrelated types
        raise InputError(f"cannot load {path}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """Return the first sentence of the root cause; the exceptions that Keras wraps around it describe its own code."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return (str(error).strip().splitlines() or [type(error).__name__])[0].split(". ")[0]


def find_backbone(model: keras.Model) -> keras.Model:
    """Return the nested backbone model."""
    return next(layer for layer in model.layers if isinstance(layer, keras.Model))


def load_detector(folder: Path, run: Run) -> NoveltyDetector | None:
    """Load the novelty detector of a run; None if it has none. Raises InputError if the file cannot be read."""
    return None if run.novelty is None else NoveltyDetector.read(folder / NOVELTY_FILE)


def load_boxes(folder: Path, run: Run) -> BoxOutput | None:
    """Load the box regressor of a run; None if it has none. Raises InputError if the file cannot be read."""
    if run.boxes is None or run.heatmaps is None:
        return None
    regressor = BoxRegressor.read(folder / BOXES_FILE)
    if regressor.labels != len(run.labels):
        raise InputError(f"{folder / BOXES_FILE} has boxes of {regressor.labels} labels; the run has {len(run.labels)}")
    return BoxOutput(regressor, run.heatmaps.grid, run.decode)


def backbone_name(model: keras.Model) -> str:
    """Return the name of the nested backbone model, which is part of its ONNX node names after conversion."""
    return str(find_backbone(model).name)


def view_outputs(head: Head, detector: NoveltyDetector | None = None, boxes: BoxOutput | None = None) -> list[str]:
    """Return the names of the outputs of `exported_view`, in order."""
    heatmaps = [] if head == "paper-baseline" else [HEATMAPS_NAME]
    return [SCORES_NAME, *heatmaps, *([BOXES_NAME] if boxes else []), *([NOVELTY_NAME] if detector else [])]


def exported_view(
    model: keras.Model, head: Head, detector: NoveltyDetector | None = None, boxes: BoxOutput | None = None
) -> keras.Model:
    """Return a model on the same layers with all outputs, in the order of `view_outputs`.

    The scores are exactly those of `model`. With `boxes`, there are predicted boxes, float32 [n, h, w, labels, 5]. With
    a detector, the novelty score is the last output, float32 [n]. Both read feature maps of the backbone, which is
    still computed only once. Heatmaps are as in `_with_heatmaps`.

    Raises InputError if the backbone lacks a layer that the detector reads.
    """
    view = _with_heatmaps(model, head)
    if boxes is not None:
        cells = model.get_layer("hidden").input
        predicted = box_tensor(boxes.regressor, cells, boxes.grid, boxes.decode)
        view = keras.Model(view.inputs, [*view.outputs, predicted])
    if detector is None:
        return view
    tapped = with_taps(view, detector.taps)
    outputs, maps = tapped.outputs[: len(view.outputs)], tapped.outputs[len(view.outputs) :]
    return keras.Model(tapped.inputs, [*outputs, novelty_tensor(detector, maps)])


def _with_heatmaps(model: keras.Model, head: Head) -> keras.Model:
    """Return a model on the same layers with scores, and heatmaps if the head provides them.

    Heatmaps are float32 [n, h, w, labels].
    Head `dense`: the label scores of each cell. In multiclass, 1 minus their sum is the score of "no defect here".
    Head `gap`: class activation maps (Zhou et al. 2016, https://arxiv.org/abs/1512.04150). The dense layer "scores",
    with its bias but without its activation, is applied to each cell before "pool". Mean and dense layer are linear,
    so the mean of a heatmap over its cells equals the logit of the label.
    Head `paper-baseline` has no heatmaps: the model is returned unchanged.
    An anomaly model has the score of an anomaly at each place, and 1 minus this score.
    """
    if any(layer.name == PLACES for layer in model.layers):
        place_scores = keras.layers.Conv2D(2, 1, use_bias=False, activation="sigmoid", name="heatmaps")
        heatmaps = place_scores(model.get_layer(PLACES).output)
        place_scores.set_weights([np.array([[[[1.0, -1.0], [0.0, 0.0]]]], np.float32)])  # the distances are not used
        return keras.Model(model.inputs, [model.outputs[0], heatmaps])
    if head == "paper-baseline":
        return model
    if head == "dense":
        cell_scores = keras.layers.Activation(model.get_layer("scores").activation)(model.get_layer("places").output)
        label_scores = keras.ops.take(cell_scores, range(model.output_shape[-1]), axis=-1)
        return keras.Model(model.inputs, [model.outputs[0], label_scores])
    cells = model.get_layer("pool").input
    kernel, bias = model.get_layer("scores").get_weights()
    cell_classifier = keras.layers.Conv2D(len(bias), 1, name="heatmaps")
    heatmaps = cell_classifier(cells)
    cell_classifier.set_weights([kernel[None, None], bias])
    return keras.Model(model.inputs, [model.outputs[0], heatmaps])
