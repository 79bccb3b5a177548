"""The Keras model of a run, and the variant of it that is exported."""

from pathlib import Path

import keras

from stripwatch.export.runs.run_folder import MODEL_FILE, Head
from stripwatch.worker.common.errors import InputError


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


def backbone_name(model: keras.Model) -> str:
    """Return the name of the nested backbone model, which is part of its ONNX node names after conversion."""
    return str(find_backbone(model).name)


def exported_view(model: keras.Model, head: Head) -> keras.Model:
    """Return a model on the same layers with all outputs: scores, and heatmaps if the head provides them.

    Heatmaps are float32 [n, h, w, labels].
    Head `dense`: the label scores of each cell. In multiclass, 1 minus their sum is the score of "no defect here".
    Head `gap`: class activation maps (Zhou et al. 2016, https://arxiv.org/abs/1512.04150). The dense layer "scores",
    with its bias but without its activation, is applied to each cell before "pool". Mean and dense layer are linear,
    so the mean of a heatmap over its cells equals the logit of the label.
    Head `paper-baseline` has no heatmaps: the model is returned unchanged.
    """
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
