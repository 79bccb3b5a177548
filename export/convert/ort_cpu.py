"""ONNX Runtime on the CPU with all outputs of a model, for verification. The worker's session may omit heatmaps."""

from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from stripwatch.worker.common.errors import ExportRejectedError
from stripwatch.worker.common.process.cores import library_threads
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.bundle import INPUT_NAME

Outputs = dict[str, NDArray[np.float32]]


def open_cpu(model: bytes) -> ort.InferenceSession:
    """Open a model on the CPU. Raises ExportRejectedError if ONNX Runtime cannot load it."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = library_threads()
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises many types without a common base
        raise ExportRejectedError(
            f"ONNX Runtime cannot load the converted model: {str(error).splitlines()[0]}"
        ) from error


def run_batches(session: ort.InferenceSession, frames: Pixels, batch: int) -> Outputs:
    """Return every output by name, computed in batches of `batch` frames. frames: uint8 [n, h, w, c]."""
    names = [output.name for output in session.get_outputs()]
    parts: list[list[Any]] = [
        session.run(names, {INPUT_NAME: frames[at : at + batch]}) for at in range(0, len(frames), batch)
    ]
    return {name: np.concatenate(column) for name, column in zip(names, zip(*parts, strict=True), strict=True)}
