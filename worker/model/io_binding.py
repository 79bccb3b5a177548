"""A model with buffers that stay: an input and its outputs for each batch size, on the device that runs it.

Meant for a GPU: nothing is allocated there while frames come, and addresses that stay are what a CUDA graph needs (ONNX
Runtime, "CUDA graphs": I/O binding, and a graph for each `gpu_graph_id`). Off by default (`cuda_run`), since no GPU was
at hand where this was written. On a CPU, where the tests run it, it gains nothing.

All graphs of a process are captured and replayed on one thread, for two reasons. CUDA's provider keeps the graphs of a
session by thread, so what warm-up captured on the thread that loads would be captured again among the first frames. And
it captures in CUDA's global mode, in which a call of another thread can spoil the capture: the frames of the model that
runs would spoil that of the model that is to replace it.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.bundle import INPUT_NAME

CudaRun = Literal["plain", "bound", "graph"]
Floats = NDArray[np.float32]
T = TypeVar("T")

_FIRST_GRAPH_ID = 1  # for ONNX Runtime -1 means no capture, and 0 is the graph of runs that name none
_GRAPH_THREAD = ThreadPoolExecutor(1, thread_name_prefix="cuda-graph")


def on_graph_thread(work: Callable[[], T]) -> T:
    """Do it on the thread that captures and replays graphs, and wait. Raises what it raises. Not from that thread."""
    return _GRAPH_THREAD.submit(work).result()


@dataclass(frozen=True, slots=True)
class _Buffers:
    frames: ort.OrtValue
    outputs: Mapping[str, ort.OrtValue]
    binding: ort.IOBinding
    options: ort.RunOptions


class IoBindingRunner:
    """Runs as an InferenceSession does, always with one of the batch sizes. One thread calls at a time."""

    def __init__(
        self,
        session: ort.InferenceSession,
        names: Sequence[str],
        sizes: Sequence[int],
        device: str,
        graph: bool,
        device_id: int = 0,
        number: int = 0,
    ) -> None:
        """names: of the outputs that may be asked for. sizes: smallest first. graph: capture one for each size.

        number: of this runner in its session, from 0. It keeps the ids of graphs apart: a graph reads and writes the
        buffers that it was captured with, so no two runners may share one.
        """
        self._session = session
        self._graph = graph
        first_id = _FIRST_GRAPH_ID + number * len(sizes)
        ids = range(first_id, first_id + len(sizes)) if graph else [None] * len(sizes)
        place = (device, device_id)
        self._buffers = {
            size: _buffers(session, names, size, place, graph_id) for size, graph_id in zip(sizes, ids, strict=True)
        }

    def run(self, names: Sequence[str], inputs: Mapping[str, Pixels]) -> list[Floats]:
        """Of each name n rows, for the n frames under the name of the input."""
        if self._graph:
            return on_graph_thread(lambda: self._run_parts(names, inputs))
        return self._run_parts(names, inputs)

    def _run_parts(self, names: Sequence[str], inputs: Mapping[str, Pixels]) -> list[Floats]:
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


def _buffers(
    session: ort.InferenceSession, names: Sequence[str], size: int, place: tuple[str, int], graph_id: int | None
) -> _Buffers:
    """place: the kind of device, and its number."""
    shapes = {value.name: (size, *value.shape[1:]) for value in (*session.get_inputs(), *session.get_outputs())}
    frames = ort.OrtValue.ortvalue_from_shape_and_type(shapes[INPUT_NAME], np.uint8, *place)
    outputs = {name: ort.OrtValue.ortvalue_from_shape_and_type(shapes[name], np.float32, *place) for name in names}
    binding = session.io_binding()
    binding.bind_ortvalue_input(INPUT_NAME, frames)
    for name, value in outputs.items():
        binding.bind_ortvalue_output(name, value)
    options = ort.RunOptions()
    if graph_id is not None:
        options.add_run_config_entry("gpu_graph_id", str(graph_id))
    return _Buffers(frames, outputs, binding, options)
