"""The Keras model of a run, and the view on it that is exported."""

from pathlib import Path

import keras

from stripwatch.export.runs.run_folder import MODEL_FILE, Head
from stripwatch.worker.common.errors import InputError


def load_model(folder: Path) -> keras.Model:
    """The trained model: uint8 [n, h, w, c] -> scores float32 [n, labels]. Raises InputError, with the path."""
    path = folder / MODEL_FILE
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # zipfile, h5py and keras raise a handful of types
        raise InputError(f"cannot load {path}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """The first sentence of what went wrong first; what keras wraps around it is about its own code."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return (str(error).strip().splitlines() or [type(error).__name__])[0].split(". ")[0]


def backbone_name(model: keras.Model) -> str:
    """Of the layer that is a network itself; the names of its nodes hold it after the conversion."""
    return next(str(layer.name) for layer in model.layers if isinstance(layer, keras.Model))


def exported_view(model: keras.Model, head: Head) -> keras.Model:
    """The same layers with all outputs: scores, and heatmaps float32 [n, h, w, labels] where the head has them.

    `dense`: the scores of the labels at each place; in multiclass what is missing to 1 is that of "no defect here".
    `gap`: the dense layer "scores" applied at each place before "pool", bias included, before the activation. Mean and
    dense layer are linear, so the mean of a heatmap over its places is the logit (class activation maps: Zhou et al.
    2016, https://arxiv.org/abs/1512.04150).
    """
    if head == "paper-baseline":
        return model
    if head == "dense":
        judged = keras.layers.Activation(model.get_layer("scores").activation)(model.get_layer("places").output)
        of_labels = keras.ops.take(judged, range(model.output_shape[-1]), axis=-1)
        return keras.Model(model.inputs, [model.outputs[0], of_labels])
    places = model.get_layer("pool").input
    kernel, bias = model.get_layer("scores").get_weights()
    at_each_place = keras.layers.Conv2D(len(bias), 1, name="heatmaps")
    heatmaps = at_each_place(places)
    at_each_place.set_weights([kernel[None, None], bias])
    return keras.Model(model.inputs, [model.outputs[0], heatmaps])
