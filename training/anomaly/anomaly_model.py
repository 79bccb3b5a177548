"""The Keras model of clean frames: from raw frames to a score, with preprocessing, backbone and distances inside."""

import math
from typing import Any

import keras

from stripwatch.export.runs.keras_model import PLACES
from stripwatch.training.anomaly.calibration import Calibration
from stripwatch.training.anomaly.gaussian import Whitening
from stripwatch.training.anomaly.place_features import PlaceFeatures, aligned
from stripwatch.training.networks.catalog import Network

_PLACE_STEEPNESS = 1.0  # with a higher one, the scores of very distant places would all round to 1
_TINY = 1e-6


def build_anomaly_model(
    network: Network, places: PlaceFeatures, whitening: Whitening, calibration: Calibration, channels: int
) -> keras.Model:
    """Build the model, which maps frames, uint8 [n, h, w, c], to scores, float32 [n, 2]: of an anomaly and of clean.

    The score of an anomaly is 1 / (1 + (t / d)^k), with distance d, threshold t and steepness k, so it is 0.5 at the
    threshold. The layer PLACES has two values for each place: the same for its local distance, before the logistic
    function, and its distance in all features, of which the most distant places make that of the frame. Deep features
    see more of a frame, so they find more but locate less.
    """
    frames, maps = places.maps(network, channels)
    squared = keras.ops.square(_whiten(maps, places.cells, whitening))
    every = keras.ops.mean(squared, axis=-1)
    local = keras.ops.maximum(keras.ops.mean(squared[..., : places.local], axis=-1), _TINY)
    logits = _PLACE_STEEPNESS * (keras.ops.log(local) - math.log(calibration.place))
    both = keras.layers.Activation("linear", name=PLACES, dtype="float32")(keras.ops.stack([logits, every], axis=-1))
    score = keras.ops.sigmoid(_frame_logits(both[..., 1], places.cells, calibration))
    scores = keras.ops.concatenate([score, 1 - score], axis=-1)
    model = keras.Model(frames, keras.layers.Activation("linear", name="scores", dtype="float32")(scores))
    _set_weights(model, maps, whitening)
    return model


def _whiten(maps: list[Any], cells: tuple[int, int], whitening: Whitening) -> Any:
    """Return whitened features [n, h, w, f]. Each map is projected on its own grid, which is cheaper, then aligned."""
    size = len(whitening.mean)
    parts = [
        aligned(keras.layers.Conv2D(size, 1, use_bias=at == 0, name=f"whiten_{at}")(each), cells)
        for at, each in enumerate(maps)
    ]
    return parts[0] if len(parts) == 1 else keras.layers.Add()(parts)


def _frame_logits(distances: Any, cells: tuple[int, int], calibration: Calibration) -> Any:
    """Return the logit of each frame's score, [n, 1]. distances: of places, [n, h, w]."""
    flat = keras.ops.reshape(distances, (-1, cells[0] * cells[1]))
    highest = keras.ops.top_k(flat, calibration.top, sorted=True)[0]
    distance = keras.ops.maximum(keras.ops.mean(highest, axis=-1, keepdims=True), _TINY)
    return calibration.steepness * (keras.ops.log(distance) - math.log(calibration.frame))


def _set_weights(model: keras.Model, maps: list[Any], whitening: Whitening) -> None:
    first = 0
    for at, each in enumerate(maps):
        rows = whitening.matrix[first : first + each.shape[-1]]
        first += each.shape[-1]
        bias = [-whitening.mean @ whitening.matrix] if at == 0 else []
        model.get_layer(f"whiten_{at}").set_weights([rows[None, None], *bias])
