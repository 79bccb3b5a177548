"""Where on the image each place of a backbone's map looks: the centre of its receptive field.

A map is not stretched evenly over its image: InceptionV3's 17x17 places at 299x299 are 16 px apart and the first lies
at 21 px, since its convolutions are not padded. The arithmetic is that of Araujo et al. 2019, "Computing Receptive
Fields of Convolutional Neural Networks", https://distill.pub/2019/computing-receptive-fields.
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
    """The grid of a model that takes [n, height, width, c] and gives a map [n, h, w, c]."""
    (first_y, step_y), (first_x, step_x) = (_axis(backbone.output, axis) for axis in (0, 1))
    return CellGrid(first_px=(first_y, first_x), step_px=(step_y, step_x))


def _axis(tensor: Any, axis: int) -> tuple[float, float]:
    """Centre of the first place, and the step from one to the next, in input pixels. axis: 0 down, 1 across."""
    first, step = 0.0, 1.0
    layer, source = _producer(tensor)
    while source is not None:
        stride, shift = _window(layer, source.shape[1 + axis], axis)
        first, step = first * stride + shift, step * stride
        layer, source = _producer(source)
    return first, step


def _producer(tensor: Any) -> tuple[Any, Any]:
    """The layer that made a tensor and the map it took; None for the model's input.

    Of several maps any of the largest will do: branches that are joined look at the same centres, and what is smaller
    is a factor for each channel.
    """
    layer, node_at, _ = tensor._keras_history
    sources = [source for source in layer._inbound_nodes[node_at].input_tensors if len(source.shape) == 4]
    return layer, max(sources, key=lambda source: source.shape[1] * source.shape[2], default=None)


def _window(layer: Any, size: int, axis: int) -> tuple[float, float]:
    """A position p of the layer's output is centred on p * stride + shift of its input, which has `size` pixels."""
    if isinstance(layer, keras.layers.ZeroPadding2D):
        return 1.0, -float(layer.padding[axis][0])
    if not isinstance(layer, _WINDOWS):
        return 1.0, 0.0
    kernel = (layer.pool_size if hasattr(layer, "pool_size") else layer.kernel_size)[axis]
    reach = (kernel - 1) * getattr(layer, "dilation_rate", (1, 1))[axis] + 1
    stride = layer.strides[axis]
    padded = max((-(-size // stride) - 1) * stride + reach - size, 0) // 2 if layer.padding == "same" else 0
    return float(stride), (reach - 1) / 2 - padded
