"""Run a model with preallocated input and output buffers for each batch size, on the device that runs it.

This is meant for a GPU: nothing is allocated there while frames arrive, and a CUDA graph requires fixed addresses (ONNX
Runtime, "CUDA graphs": I/O binding, and one graph per `gpu_graph_id`). It is off by default (`cuda_run`) because no GPU
was available during development. On a CPU, where the tests run it, it has no benefit.

All graphs of a process are captured and replayed on one thread, for two reasons. The CUDA provider keeps the graphs of
a session per thread, so graphs captured on the loading thread during warm-up would be captured again with the first
frames. It also captures in CUDA's global mode, in which a call from another thread can break the capture: the frames of
the running model would break the capture of the model that is to replace it.
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

_FIRST_GRAPH_ID = 1  # ONNX Runtime reserves -1 for no capture, and 0 for runs without a graph id
_GRAPH_THREAD = ThreadPoolExecutor(1, thread_name_prefix="cuda-graph")


def on_graph_thread(work: Callable[[], T]) -> T:
    """Run `work` on the thread that captures and replays graphs, and return its result.

    Exceptions are passed on. Must not be called from that thread.
    """
    return _GRAPH_THREAD.submit(work).result()


@dataclass(frozen=True, slots=True)
class _Buffers:
    frames: ort.OrtValue
    outputs: Mapping[str, ort.OrtValue]
    binding: ort.IOBinding
    options: ort.RunOptions


class IoBindingRunner:
    """Drop-in for an InferenceSession that always runs one of the given batch sizes. Not thread-safe."""

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
        """Allocate the buffers.

        Args:
            session: The session to run.
            names: Names of the outputs that may be requested.
            sizes: Batch sizes, smallest first.
            device: Kind of device, such as "cuda".
            graph: Capture one CUDA graph per batch size.
            device_id: Number of the device.
            number: Number of this runner in its session, from 0. It makes graph ids unique: a graph uses the buffers
                that it was captured with, so two runners must not share one.
        """
        self._session = session
        self._graph = graph
        first_id = _FIRST_GRAPH_ID + number * len(sizes)
        ids = range(first_id, first_id + len(sizes)) if graph else [None] * len(sizes)
        location = (device, device_id)
        self._buffers = {
            size: _buffers(session, names, size, location, graph_id) for size, graph_id in zip(sizes, ids, strict=True)
        }

    def run(self, names: Sequence[str], inputs: Mapping[str, Pixels]) -> list[Floats]:
        """Return an array with n rows for each output name, for n input frames."""
        if self._graph:
            return on_graph_thread(lambda: self._run_parts(names, inputs))
        return self._run_parts(names, inputs)

    def _run_parts(self, names: Sequence[str], inputs: Mapping[str, Pixels]) -> list[Floats]:
        frames, most = inputs[INPUT_NAME], max(self._buffers)
        parts = [self._run(frames[at : at + most], names) for at in range(0, len(frames), most)]
        return [np.concatenate(of_name) for of_name in zip(*parts, strict=True)]

    def _run(self, frames: Pixels, names: Sequence[str]) -> list[Floats]:
        """Run one batch. The outputs are copied, because the next run writes to the same buffers."""
        n = len(frames)
        size = next(size for size in self._buffers if size >= n)
        buffers = self._buffers[size]
        padded = np.zeros((size, *frames.shape[1:]), np.uint8)
        padded[:n] = frames
        buffers.frames.update_inplace(padded)
        self._session.run_with_iobinding(buffers.binding, buffers.options)
        return [buffers.outputs[name].numpy()[:n].copy() for name in names]


def _buffers(
    session: ort.InferenceSession, names: Sequence[str], size: int, location: tuple[str, int], graph_id: int | None
) -> _Buffers:
    """Allocate and bind the buffers of one batch size. location: kind and number of the device."""
    shapes = {value.name: (size, *value.shape[1:]) for value in (*session.get_inputs(), *session.get_outputs())}
    frames = ort.OrtValue.ortvalue_from_shape_and_type(shapes[INPUT_NAME], np.uint8, *location)
    outputs = {name: ort.OrtValue.ortvalue_from_shape_and_type(shapes[name], np.float32, *location) for name in names}
    binding = session.io_binding()
    binding.bind_ortvalue_input(INPUT_NAME, frames)
    for name, value in outputs.items():
        binding.bind_ortvalue_output(name, value)
    options = ort.RunOptions()
    if graph_id is not None:
        options.add_run_config_entry("gpu_graph_id", str(graph_id))
    return _Buffers(frames, outputs, binding, options)
