"""Compare the throughput of bundles: `python -m tests.benchmarks.bundles A.onnx B.onnx --frames strips --rounds 5`

Each round runs `stripwatch bench` with each bundle on the same frames, in alternating order. The last line is JSON.
Ratios are those of each bundle to the last one, within a round.

With --cost, it measures the processor time of a frame from its bytes to its scores instead: decoding as in the worker,
with the check of colour, and the model on one thread. It needs no broker, and other work disturbs it less.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from stripwatch.worker.config.observer_sections import DriftSettings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.images.image_files import list_images
from stripwatch.worker.images.image_statistics import FrameSampler
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.loading.open_model import load_model
from tests.benchmarks.revisions import run_bench
from tests.frames import make_frame
from tests.revisions import THIS

_BATCH = 4


def compare(bundles: list[Path], rounds: int, measure: Callable[[Path], dict[str, float]]) -> dict[str, Any]:
    found: dict[Path, list[dict[str, float]]] = {bundle: [] for bundle in bundles}
    for number in range(rounds):
        for bundle in bundles if number % 2 == 0 else bundles[::-1]:
            figures = measure(bundle)
            found[bundle].append(figures)
            print(f"round {number + 1}: {bundle} {figures}", file=sys.stderr)
    last = found[bundles[-1]]
    return {str(bundle): {name: _ratios(found[bundle], last, name) for name in last[0]} for bundle in bundles}


def frame_cost(model: LoadedModel, encoded: list[bytes], sampler: FrameSampler) -> dict[str, float]:
    """Return the processor time of decoding, and of the model on one thread, in milliseconds per frame."""
    spent_s, images = {"decode": 0.0, "inference": 0.0}, []
    for each in encoded:
        began_s = time.thread_time()
        images.append(model.decode_frame(frame := make_frame(0, each)).pixels)
        if model.measure_colour is not None and sampler.due(frame.camera):
            model.measure_colour(frame)
        spent_s["decode"] += time.thread_time() - began_s
    for at in range(0, len(images), _BATCH):
        batch = np.stack(images[at : at + _BATCH])
        began_s = time.thread_time()
        model.session.predict(batch)
        spent_s["inference"] += time.thread_time() - began_s
    in_ms = {f"{name}_ms": 1000 * value / len(encoded) for name, value in spent_s.items()}
    return {name: round(value, 3) for name, value in (in_ms | {"frame_ms": sum(in_ms.values())}).items()}


def _ratios(of_bundle: list[dict[str, float]], last: list[dict[str, float]], name: str) -> dict[str, Any]:
    values = [each[name] for each in of_bundle]
    ratios = [round(value / other[name], 3) for value, other in zip(values, last, strict=True)]
    return {"values": values, "ratios": ratios, "ratio_median": statistics.median(ratios)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "bundles", type=Path, nargs="+", help="Bundles; the last one is what the others are divided by."
    )
    parser.add_argument("--frames", type=Path, required=True, help="Folder of the images that the cameras send.")
    parser.add_argument("--rounds", type=int, default=5, help="Number of rounds.")
    parser.add_argument("--count", type=int, default=1500, help="Frames per run at full load.")
    parser.add_argument("--cost", action="store_true", help="Measure the processor time of a frame instead.")
    options = parser.parse_args()
    if options.cost:
        cv2.setNumThreads(1)
        encoded = [file.read_bytes() for file in list_images(options.frames).files]
        models = {
            bundle: load_model(
                Settings.model_validate(
                    {"bundle": bundle, "inference_threads": 1, "provider": "cpu", "batch_frames_max": _BATCH}
                )
            )
            for bundle in options.bundles
        }
        sampler = FrameSampler(DriftSettings().colour_interval_frames)
        found = compare(options.bundles, options.rounds, lambda bundle: frame_cost(models[bundle], encoded, sampler))
    else:
        frames = ["--frames", str(options.frames)]
        found = compare(options.bundles, options.rounds, lambda bundle: run_bench(THIS, bundle, options.count, frames))
    print(json.dumps({"rounds": options.rounds, "count": options.count, "bundles": found}))


if __name__ == "__main__":
    main()
