"""Layers of a checkpoint, with their weights in the layout of Keras."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stripwatch.training.weights.checkpoint_file import Checkpoint, Framework
from stripwatch.training.weights.layer_order import Key, LayerOrder
from stripwatch.training.weights.pytorch_file import Tensors
from stripwatch.worker.common.errors import InputError

Array = NDArray[np.float32]
_KERNEL_AXES = 4

# Roles of tensors by the last part of their name. Others, such as those of the optimizer, are not weights.
_ROLES: dict[Framework, dict[str, str]] = {
    "pytorch": {
        "weight": "weight",
        "bias": "bias",
        "running_mean": "mean",
        "running_var": "variance",
    },
    "tensorflow": {
        "kernel": "weight",
        "weights": "weight",
        "depthwise_kernel": "weight",
        "depthwise_weights": "weight",
        "gamma": "weight",
        "bias": "bias",
        "biases": "bias",
        "beta": "bias",
        "moving_mean": "mean",
        "moving_variance": "variance",
    },
}
_SEPARATORS: dict[Framework, str] = {"pytorch": ".", "tensorflow": "/"}


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution. kernel: [height, width, in, out], or [height, width, in, multiplier] if depthwise."""

    name: str
    kernel: Array
    bias: Array | None


@dataclass(frozen=True, slots=True)
class Normalization:
    """A batch normalization. gamma is None if the layer does not scale."""

    name: str
    gamma: Array | None
    beta: Array
    mean: Array
    variance: Array


@dataclass(frozen=True, slots=True)
class Dense:
    """A dense layer. kernel: [in, out]. bias: [out]."""

    kernel: Array
    bias: Array


@dataclass(frozen=True, slots=True)
class Layers:
    """Layers in the order of the network. top: the dense layers after the backbone."""

    convolutions: Sequence[Convolution]
    normalizations: Sequence[Normalization]
    top: Sequence[Dense] = ()


def to_layers(checkpoint: Checkpoint, order: LayerOrder, top: Sequence[str] = ()) -> Layers:
    """Group the tensors of a checkpoint by layer.

    top: ends of the names of the layers after the backbone; those that the checkpoint lacks are left out. Raises
    InputError if `order` knows the name of no layer, or if a layer has other tensors than expected.
    """
    grouped = _grouped(checkpoint)
    after = [name for end in top for name in grouped if name == end or name.endswith(f"/{end}")]
    keys: dict[str, Key] = {}
    for name in grouped:
        key = None if name in after else order(name, grouped.keys())
        if key is not None:
            keys[name] = key
    if not keys:
        some = ", ".join(list(checkpoint.tensors)[:3]) or "none"
        raise InputError(f"the names of the tensors are not those of this network; the first ones are: {some}")
    ordered = sorted(keys, key=lambda name: keys[name])
    normalizations = [_normalization(name, grouped[name]) for name in ordered if "mean" in grouped[name]]
    convolutions = [
        _convolution(name, grouped[name], checkpoint.framework) for name in ordered if "mean" not in grouped[name]
    ]
    return Layers(convolutions, normalizations, [_dense(grouped[name], checkpoint.framework) for name in after])


def with_normalization(layers: Layers, mean: Array, deviation: Array) -> Layers:
    """Adapt the first convolution to other pixels.

    Return layers that compute from pixels x the same as the given ones from (x - mean) / deviation, except at the
    borders, where a convolution pads with zeros. mean, deviation: [3].
    """
    first, *others = layers.convolutions
    kernel = first.kernel / deviation[:, None]
    shift = (kernel * mean[:, None]).sum(axis=(0, 1, 2))
    if first.bias is not None:
        return replace(layers, convolutions=[replace(first, kernel=kernel, bias=first.bias - shift), *others])
    after, *further = layers.normalizations
    shifted = replace(after, mean=after.mean + shift)
    return replace(layers, convolutions=[replace(first, kernel=kernel), *others], normalizations=[shifted, *further])


def _grouped(checkpoint: Checkpoint) -> dict[str, Tensors]:
    """Return the tensors of each layer by role."""
    roles, separator = _ROLES[checkpoint.framework], _SEPARATORS[checkpoint.framework]
    grouped: dict[str, Tensors] = {}
    for name, tensor in checkpoint.tensors.items():
        layer, _, last = name.rpartition(separator)
        if last in roles:
            grouped.setdefault(layer, {})[roles[last]] = tensor
    return grouped


def _normalization(name: str, tensors: Tensors) -> Normalization:
    try:
        return Normalization(name, tensors.get("weight"), tensors["bias"], tensors["mean"], tensors["variance"])
    except KeyError as error:
        raise InputError(f"the batch normalization {name} has no {error.args[0]}") from error


def _convolution(name: str, tensors: Tensors, framework: Framework) -> Convolution:
    kernel = tensors.get("weight")
    if kernel is None or kernel.ndim != _KERNEL_AXES:
        found = "no weights" if kernel is None else f"weights of shape {kernel.shape}"
        raise InputError(f"{name} is not a convolution: it has {found}")
    if framework == "pytorch":
        kernel = kernel.transpose(2, 3, 1, 0)  # stored as [out, in, height, width]
    return Convolution(name, kernel, tensors.get("bias"))


def _dense(tensors: Tensors, framework: Framework) -> Dense:
    kernel = tensors["weight"]
    if framework == "pytorch":
        kernel = kernel.reshape(len(kernel), -1).T  # stored as [out, in], or as a convolution of a single cell
    kernel = kernel.reshape(-1, kernel.shape[-1])
    return Dense(kernel, tensors.get("bias", np.zeros(kernel.shape[-1], np.float32)))
