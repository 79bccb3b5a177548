"""EfficientNetB0 with the same preprocessing layers for all weights.

Keras adds a second rescaling only for weights="imagenet", and otherwise leaves its normalization at mean 0 and variance
1. The two networks then receive different pixels, so weights saved from one do not work in the other.
"""

import math
from typing import Any

import keras
import numpy as np
from keras.applications import EfficientNetB0

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


def build_efficientnetb0(weights: str | None, **options: Any) -> keras.Model:
    """Build the network so that its first convolution receives (pixel / 255 - mean) / deviation.

    weights, options: as for keras.applications.EfficientNetB0.
    """
    network = EfficientNetB0(weights=weights, **options)
    return network if weights == "imagenet" else keras.models.clone_model(network, call_function=_call)


def _call(layer: keras.layers.Layer, *values: Any, **options: Any) -> Any:
    result = layer(*values, **options)
    if not isinstance(layer, keras.layers.Normalization):
        return result
    # The ImageNet weights store the deviation as variance. The normalization divides by its square root, and the second
    # rescaling by the square root again.
    layer.set_weights([np.array(_MEAN), np.array(_DEVIATION), np.array(0)])
    layer.finalize_state()
    return keras.layers.Rescaling([1 / math.sqrt(deviation) for deviation in _DEVIATION])(result)
