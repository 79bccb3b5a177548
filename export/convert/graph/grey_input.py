"""Grey models: the first convolution reads the one channel of a frame instead of three copies of it.

In Keras, a grey model repeats its channel, so that any network and any weights accept it. Where preprocessing treats
all channels alike, the convolution can read the one channel, with the sum of its kernels over the channels: it is
linear, so scores change by rounding only. This saves copies of the frame and most of the preprocessing.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

_TO_PLANES = [0, 3, 1, 2]
_CHANNELS = (3, -1)  # their axis, innermost
_WITH_CONSTANT = ("Mul", "Sub", "Add", "Div")


def read_one_channel(proto: onnx.ModelProto) -> bool:
    """Let the first convolutions of a grey model read one channel, in place. Return False if nothing was changed.

    The model stays as it is if it does not repeat a channel, if its preprocessing is more than casts and arithmetic
    with constants, if that differs between channels (as VGG's does), or if something other than a convolution follows.
    """
    frames, graph = proto.graph.input[0].name, _Graph(proto.graph)
    steps = list(graph.preprocessing(frames))
    repeats = [step for step in steps if step.op_type == "Concat"]
    if not repeats or not _is_transpose(steps[-1]) or not graph.sum_kernels(steps[-1].output[0]):
        return False
    graph.chain(frames, [steps[-1], *(step for step in steps[:-1] if step not in repeats)], steps[-1].output[0])
    graph.remove(repeats)
    del proto.graph.value_info[:]  # it states the former shapes
    return True


class _Graph:
    """A graph and its constants."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._constants = {each.name: each for each in graph.initializer}

    def preprocessing(self, value: str) -> Iterator[onnx.NodeProto]:
        """Yield the nodes between a value and the first transpose, and the transpose."""
        outputs = {each.name for each in self._graph.output}
        while value not in outputs and len(readers := self._readers(value)) == 1 and self._is_step(readers[0]):
            yield readers[0]
            if _is_transpose(readers[0]):
                return
            value = readers[0].output[0]

    def sum_kernels(self, pixels: str) -> bool:
        """Sum the kernels of the convolutions that read these pixels. Return False if anything else reads them."""
        readers = self._readers(pixels)
        kernels = [self._constants[node.input[1]] for node in readers if self._is_plain_convolution(node)]
        if not kernels or len(kernels) < len(readers):
            return False
        for kernel in kernels:
            values = numpy_helper.to_array(kernel)
            summed = values.sum(axis=1, keepdims=True, dtype=np.float64).astype(values.dtype)
            kernel.CopyFrom(numpy_helper.from_array(summed, kernel.name))
        return True

    def chain(self, value: str, steps: list[onnx.NodeProto], result: str) -> None:
        """Make steps the first nodes of the graph: each reads the output of the one before, the last gives `result`.

        Their constants become scalars, because a vector belongs to the innermost channels of Keras.
        """
        self.remove(steps)
        replaced = {name for step in steps for name in step.input if name in self._constants}
        for at, step in enumerate(steps):
            for number, name in enumerate(step.input):
                step.input[number] = self._as_scalar(name) if name in self._constants else value
            value = result if step is steps[-1] else f"{result}/{at}"
            step.output[0] = value
            self._graph.node.insert(at, step)
        for name in replaced:
            if not self._readers(name):
                self._graph.initializer.remove(self._constants[name])

    def remove(self, nodes: list[onnx.NodeProto]) -> None:
        for node in nodes:
            self._graph.node.remove(node)

    def _as_scalar(self, name: str) -> str:
        """Return the name of a constant with the first element of this one, which other nodes may need."""
        if self._value(name).ndim == 0:
            return name
        scalar = f"{name}/scalar"
        if all(each.name != scalar for each in self._graph.initializer):
            self._graph.initializer.append(numpy_helper.from_array(self._value(name).flat[0], scalar))
        return scalar

    def _value(self, name: str) -> NDArray[Any]:
        return numpy_helper.to_array(self._constants[name])

    def _readers(self, value: str) -> list[onnx.NodeProto]:
        return [node for node in self._graph.node if value in node.input]

    def _is_step(self, node: onnx.NodeProto) -> bool:
        if node.op_type in _WITH_CONSTANT:
            constants = [self._value(name) for name in node.input if name in self._constants]
            return len(constants) == 1 and bool(np.all(constants[0] == constants[0].flat[0]))
        repeats = node.op_type == "Concat" and len(set(node.input)) == 1 and _attribute(node, "axis") in _CHANNELS
        return node.op_type == "Cast" or repeats or _is_transpose(node)

    def _is_plain_convolution(self, node: onnx.NodeProto) -> bool:
        if node.op_type != "Conv" or _attribute(node, "group") not in (None, 1):
            return False
        kernel = node.input[1]
        return kernel in self._constants and len(self._readers(kernel)) == 1


def _is_transpose(node: onnx.NodeProto) -> bool:
    return node.op_type == "Transpose" and _attribute(node, "perm") == _TO_PLANES


def _attribute(node: onnx.NodeProto, name: str) -> Any:
    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), None)
