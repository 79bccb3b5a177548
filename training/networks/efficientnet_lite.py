"""EfficientNet-Lite0, a network for 8-bit arithmetic that keras.applications does not have.

It is EfficientNetB0 without squeeze-and-excitation, with ReLU6 in place of swish
(https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite). Layer names and their order are those
of published Keras weights files.
"""

from dataclasses import dataclass
from typing import Any

import keras

_STEM_FILTERS, _HEAD_FILTERS = 32, 1280
_EPSILON = 1e-3  # of the batch normalization


@dataclass(frozen=True, slots=True)
class _Row:
    """Blocks with the same shape. The first one has the stride of the row, and expands or reduces the channels."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


_ROWS = (
    _Row(1, 3, 1, 1, 16),
    _Row(2, 3, 2, 6, 24),
    _Row(2, 5, 2, 6, 40),
    _Row(3, 3, 2, 6, 80),
    _Row(3, 5, 1, 6, 112),
    _Row(4, 5, 2, 6, 192),
    _Row(1, 3, 1, 6, 320),
)


def build_efficientnet_lite0(weights: str | None, include_top: bool, input_shape: tuple[int, int, int]) -> keras.Model:
    """Build the network with random weights and without its top; the arguments are those of keras.applications.

    Raises ValueError for weights or a top, which Keras does not offer for download.
    """
    if weights is not None:
        raise ValueError("Keras offers no weights of EfficientNet-Lite0 for download")
    if include_top:
        raise ValueError("EfficientNet-Lite0 is only available without its top")
    images = keras.Input(input_shape)
    cells = _convolve(images, "stem", _STEM_FILTERS, kernel=3, stride=2)
    number = 0
    for row in _ROWS:
        for repeat in range(row.repeats):
            cells = _block(cells, f"block{number}", row, first=repeat == 0)
            number += 1
    cells = _convolve(cells, "head", _HEAD_FILTERS)
    return keras.Model(images, cells, name="efficientnetlite0")


def scale_pixels(pixels: Any) -> Any:
    """Scale RGB pixels, 0 to 255, as for the published weights: (pixel - 127) / 128."""
    return (pixels - 127.0) / 128.0


def _block(cells: Any, name: str, row: _Row, first: bool) -> Any:
    """Add an inverted residual block (Sandler et al. 2018, https://arxiv.org/abs/1801.04381)."""
    source = cells
    if row.expansion > 1:
        cells = _convolve(cells, f"{name}_expand", source.shape[-1] * row.expansion)
    depthwise = keras.layers.DepthwiseConv2D(
        row.kernel, row.stride if first else 1, "same", use_bias=False, name=f"{name}_dw_conv"
    )
    cells = _activate(_normalize(depthwise(cells), f"{name}_dw"), f"{name}_dw")
    project = keras.layers.Conv2D(row.filters, 1, padding="same", use_bias=False, name=f"{name}_project_conv")
    cells = _normalize(project(cells), f"{name}_project")
    return cells if first else keras.layers.Add(name=f"{name}_add")([source, cells])


def _convolve(cells: Any, name: str, filters: int, kernel: int = 1, stride: int = 1) -> Any:
    """Add a convolution with batch normalization and ReLU6."""
    convolution = keras.layers.Conv2D(filters, kernel, stride, "same", use_bias=False, name=f"{name}_conv")
    return _activate(_normalize(convolution(cells), name), name)


def _normalize(cells: Any, name: str) -> Any:
    return keras.layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_bn")(cells)


def _activate(cells: Any, name: str) -> Any:
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(cells)
