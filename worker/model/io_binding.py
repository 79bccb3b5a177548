"""A model with buffers that stay: an input and its outputs for each batch size, on the device that runs it.

Meant for a GPU: nothing is allocated there while frames come, and addresses that stay are what a CUDA graph needs (ONNX
Runtime, "CUDA graphs": I/O binding, and a graph for each `gpu_graph_id`). Off by default (`cuda_run`), since no GPU was
at hand where this was written. On a CPU, where the tests run it, it gains nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from stripwatch.worker.images.decode import Pixels
from stripwatch.worker.model.bundle import INPUT_NAME

CudaRun = Literal["plain", "bound", "graph"]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Buffers:
    frames: ort.OrtValue
    outputs: Mapping[str, ort.OrtValue]
    binding: ort.IOBinding
    options: ort.RunOptions


class IoBindingRunner:
    """Runs as an InferenceSession does, always with one of the batch sizes. One thread calls at a time."""

    def __init__(
        self, session: ort.InferenceSession, names: Sequence[str], sizes: Sequence[int], device: str, graph: bool
    ) -> None:
        """names: of the outputs that may be asked for. sizes: smallest first. graph: capture one for each size."""
        self._session = session
        self._buffers = {size: _buffers(session, names, size, device, graph) for size in sizes}

    def run(self, names: Sequence[str], inputs: Mapping[str, Pixels]) -> list[Floats]:
        """Of each name n rows, for the n frames under the name of the input."""
        frames, most = inputs[INPUT_NAME], max(self._buffers)
        parts = [self._run(frames[at : at + most], names) for at in range(0, len(frames), most)]
        return [np.concatenate(of_name) for of_name in zip(*parts, strict=True)]

    def _run(self, frames: Pixels, names: Sequence[str]) -> list[Floats]:
        """Copies, since the next run writes into the same buffers."""
        n = len(frames)
        size = next(size for size in self._buffers if size >= n)
        buffers = self._buffers[size]
        padded = np.zeros((size, *frames.shape[1:]), np.uint8)
        padded[:n] = frames
        buffers.frames.update_inplace(padded)
        self._session.run_with_iobinding(buffers.binding, buffers.options)
        return [buffers.outputs[name].numpy()[:n].copy() for name in names]


def _buffers(session: ort.InferenceSession, names: Sequence[str], size: int, device: str, graph: bool) -> _Buffers:
    shapes = {value.name: (size, *value.shape[1:]) for value in (*session.get_inputs(), *session.get_outputs())}
    frames = ort.OrtValue.ortvalue_from_shape_and_type(shapes[INPUT_NAME], np.uint8, device)
    outputs = {name: ort.OrtValue.ortvalue_from_shape_and_type(shapes[name], np.float32, device) for name in names}
    binding = session.io_binding()
    binding.bind_ortvalue_input(INPUT_NAME, frames)
    for name, value in outputs.items():
        binding.bind_ortvalue_output(name, value)
    options = ort.RunOptions()
    if graph:
        options.add_run_config_entry("gpu_graph_id", str(size))
    return _Buffers(frames, outputs, binding, options)
