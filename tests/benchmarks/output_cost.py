"""Measure what novelty score and predicted boxes add to the inference: `python -m tests.benchmarks.output_cost RUN`.

The model of the run is exported without any of its optional outputs, and with each one. These graphs run alternately on
one thread of ONNX Runtime. The ratio is computed within each round, from processor time, since the machine also does
other work.
"""

import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from stripwatch.export.convert.graph.keras_to_onnx import to_onnx
from stripwatch.export.runs.keras_model import exported_view, load_boxes, load_detector, load_model, view_outputs
from stripwatch.export.runs.run_folder import read_run
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.terminal.console import print_summary

_ROUNDS, _CALLS_MAX = 40, 25
_MEASURE_MS = 200  # of processor time in each round and graph, but at least one call
_BATCHES = (1, 8)


def sessions_of(folder: Path) -> dict[str, onnxruntime.InferenceSession]:
    """Return sessions of the graph without optional outputs ("without") and with each one."""
    run, model = read_run(folder), load_model(folder)
    head, detector, boxes = run.configuration.head, load_detector(folder, run), load_boxes(folder, run)
    outputs: dict[str, dict[str, Any]] = {"without": {}}
    if detector is not None:
        outputs["novelty"] = {"detector": detector}
    if boxes is not None:
        outputs["boxes"] = {"boxes": boxes}
    if len(outputs) == 1:
        raise InputError(f"{folder} has neither a novelty detector nor predicted boxes")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return {
        name: onnxruntime.InferenceSession(
            to_onnx(exported_view(model, head, **also), view_outputs(head, **also)).SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
        )
        for name, also in outputs.items()
    }


def milliseconds(session: onnxruntime.InferenceSession, frames: Any, calls: int = 1) -> float:
    """Return the processor time of a call. One thread computes, so it is that of the calling thread."""
    began = time.thread_time_ns()
    for _ in range(calls):
        session.run(None, {"frames": frames})
    return (time.thread_time_ns() - began) / calls / 1e6


def main() -> None:
    sessions = sessions_of(Path(sys.argv[1]))
    shape = sessions["without"].get_inputs()[0].shape[1:]
    found = {}
    for batch in _BATCHES:
        frames = np.random.default_rng(0).integers(0, 256, (batch, *shape), np.uint8)
        calls = min(_CALLS_MAX, math.ceil(_MEASURE_MS / milliseconds(sessions["without"], frames)))
        rounds = [{name: milliseconds(each, frames, calls) for name, each in sessions.items()} for _ in range(_ROUNDS)]
        times = {name: np.array([each[name] for each in rounds]) for name in sessions}
        base = times.pop("without")
        for name, values in times.items():
            low, middle, high = np.quantile(values / base, [0.1, 0.5, 0.9])
            found[f"{name}, batch {batch}"] = {
                "without_ms": round(float(np.median(base)), 3),
                "with_ms": round(float(np.median(values)), 3),
                "ratio": round(float(middle), 4),
                "ratio_10_to_90_percent": [round(float(low), 4), round(float(high), 4)],
                "ratio_of_fastest": round(float(values.min() / base.min()), 4),
            }
    print_summary(found)


if __name__ == "__main__":
    main()
