"""EfficientNetB0 as Keras builds it for its ImageNet weights, whatever weights it is given.

Keras adds a second rescaling only for weights="imagenet", and otherwise leaves its normalisation at mean 0 and
variance 1: such a network sees other pixels, so weights that were saved from the one do not suit the other.
"""

import math
from typing import Any

import keras
import numpy as np
from keras.applications import EfficientNetB0

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


def build_efficientnetb0(weights: str | None, **options: Any) -> keras.Model:
    """The network, options as for Keras. A pixel enters its first convolution as (pixel / 255 - mean) / deviation."""
    network = EfficientNetB0(weights=weights, **options)
    return network if weights == "imagenet" else keras.models.clone_model(network, call_function=_call)


def _call(layer: keras.layers.Layer, *values: Any, **options: Any) -> Any:
    result = layer(*values, **options)
    if not isinstance(layer, keras.layers.Normalization):
        return result
    # In the ImageNet weights the variance is the deviation: a root of it here, the other in the second rescaling.
    layer.set_weights([np.array(_MEAN), np.array(_DEVIATION), np.array(0)])
    layer.finalize_state()
    return keras.layers.Rescaling([1 / math.sqrt(deviation) for deviation in _DEVIATION])(result)
