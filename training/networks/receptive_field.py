"""Positions of the cells of a feature map on the image: the centres of their receptive fields.

A map is not stretched evenly over its image: the 17x17 cells of InceptionV3 at 299x299 are 16 px apart and the first is
at 21 px, because its convolutions are not padded. Computed as in Araujo et al. 2019, "Computing Receptive Fields of
Convolutional Neural Networks", https://distill.pub/2019/computing-receptive-fields.
"""

from typing import Any

import keras

from stripwatch.worker.model.bundle import CellGrid

_WINDOWS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
)


def cell_grid(backbone: keras.Model) -> CellGrid:
    """Return the grid of the cells of a backbone, which maps [n, height, width, c] to a feature map [n, h, w, c]."""
    (first_y, step_y), (first_x, step_x) = (_axis(backbone.output, axis) for axis in (0, 1))
    return CellGrid(first_px=(first_y, first_x), step_px=(step_y, step_x))


def cell_step(tensor: Any) -> int:
    """Return the distance of neighbouring cells of a feature map of a backbone, in pixels of the input."""
    return round(_axis(tensor, 0)[1])


def _axis(tensor: Any, axis: int) -> tuple[float, float]:
    """Return the centre of the first cell and the step to the next one, in input pixels. axis: 0 down, 1 across."""
    first, step = 0.0, 1.0
    layer, source = _producer(tensor)
    while source is not None:
        stride, shift = _window(layer, source.shape[1 + axis], axis)
        first, step = first * stride + shift, step * stride
        layer, source = _producer(source)
    return first, step


def _producer(tensor: Any) -> tuple[Any, Any]:
    """Return the layer that computed a tensor and its input map; the map is None for the input of the model.

    If a layer has several inputs, any of the largest is used: joined branches have the same centres, and a smaller
    input is a factor for each channel.
    """
    layer, node_at, _ = tensor._keras_history
    sources = [source for source in layer._inbound_nodes[node_at].input_tensors if len(source.shape) == 4]
    return layer, max(sources, key=lambda source: source.shape[1] * source.shape[2], default=None)


def _window(layer: Any, size: int, axis: int) -> tuple[float, float]:
    """Return (stride, shift): output position p is centred on input position p * stride + shift.

    size: pixels of the input along the axis.
    """
    if isinstance(layer, keras.layers.ZeroPadding2D):
        return 1.0, -float(layer.padding[axis][0])
    if not isinstance(layer, _WINDOWS):
        return 1.0, 0.0
    kernel = (layer.pool_size if hasattr(layer, "pool_size") else layer.kernel_size)[axis]
    reach = (kernel - 1) * getattr(layer, "dilation_rate", (1, 1))[axis] + 1
    stride = layer.strides[axis]
    padded = max((-(-size // stride) - 1) * stride + reach - size, 0) // 2 if layer.padding == "same" else 0
    return float(stride), (reach - 1) / 2 - padded
