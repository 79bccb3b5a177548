"""Measure what the novelty score adds to the inference of a model: `python -m tests.benchmarks.novelty_cost RUN`.

The model of the run is exported with and without the score. Both graphs run alternately on one thread of ONNX Runtime.
The ratio is computed within each round, from processor time, since the machine also does other work.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from stripwatch.export.convert.graph.keras_to_onnx import to_onnx
from stripwatch.export.runs.keras_model import exported_view, load_detector, load_model, view_outputs
from stripwatch.export.runs.run_folder import read_run
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.terminal.console import print_summary

_ROUNDS, _CALLS = 40, 25
_BATCHES = (1, 8)


def sessions_of(folder: Path) -> tuple[onnxruntime.InferenceSession, onnxruntime.InferenceSession]:
    """Return sessions of the graph without and with the novelty score."""
    run = read_run(folder)
    detector, head = load_detector(folder, run), run.configuration.head
    if detector is None:
        raise InputError(f"{folder} has no novelty detector; fit it without --no-novelty")
    model = load_model(folder)
    graphs = [to_onnx(exported_view(model, head, each), view_outputs(head, each)) for each in (None, detector)]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    without, including = (
        onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
        for graph in graphs
    )
    return without, including


def milliseconds(session: onnxruntime.InferenceSession, frames: Any) -> float:
    """Return the processor time of a call. One thread computes, so it is that of the calling thread."""
    began = time.thread_time_ns()
    for _ in range(_CALLS):
        session.run(None, {"frames": frames})
    return (time.thread_time_ns() - began) / _CALLS / 1e6


def main() -> None:
    pair = sessions_of(Path(sys.argv[1]))
    shape = pair[0].get_inputs()[0].shape[1:]
    found = {}
    for batch in _BATCHES:
        frames = np.random.default_rng(0).integers(0, 256, (batch, *shape), np.uint8)
        rounds = np.array([[milliseconds(each, frames) for each in pair] for _ in range(_ROUNDS)])
        ratios = rounds[:, 1] / rounds[:, 0]
        low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9])
        found[f"batch_{batch}"] = {
            "without_ms": round(float(np.median(rounds[:, 0])), 3),
            "with_ms": round(float(np.median(rounds[:, 1])), 3),
            "ratio": round(float(middle), 4),
            "ratio_10_to_90_percent": [round(float(low), 4), round(float(high), 4)],
            "ratio_of_fastest": round(float(rounds[:, 1].min() / rounds[:, 0].min()), 4),
        }
    print_summary(found)


if __name__ == "__main__":
    main()
