"""Measure the CPU time of drift monitoring, the best of several rounds: `python -m tests.benchmarks.drift_cost`."""

import time
from collections.abc import Callable
from itertools import cycle

import cv2
import numpy as np
from prometheus_client import CollectorRegistry

from stripwatch.worker.common.terminal.console import print_summary
from stripwatch.worker.config.observer_sections import DriftSettings
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.images.image_statistics import CameraSampler, measure
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.drift_monitor import DriftMonitor
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.outcomes import Prediction
from stripwatch.worker.simulator.scene import render
from tests.frames import make_frame
from tests.models import make_model
from tests.tiny import TINY_REFERENCE

_ROUNDS, _CALLS = 15, 200
_SPECS = (DecodeSpec(224, 224), DecodeSpec(256, 1600), DecodeSpec(256, 1600, colour="grey"))


def microseconds(call: Callable[[], object]) -> float:
    rounds = []
    for _ in range(_ROUNDS):
        began = time.thread_time_ns()
        for _ in range(_CALLS):
            call()
        rounds.append((time.thread_time_ns() - began) / _CALLS / 1000)
    return round(min(rounds), 2)


def of_decoding(spec: DecodeSpec) -> dict[str, float]:
    pixels = render("patch", (spec.height_px, spec.width_px), 1).pixels
    colours = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR) if spec.colour == "rgb" else pixels
    encoded = bytes(cv2.imencode(".jpg", colours, [cv2.IMWRITE_JPEG_QUALITY, 90])[1])
    decoded = decode(encoded, spec).pixels
    return {
        "decode_us": microseconds(lambda: decode(encoded, spec)),
        "measure_us": microseconds(lambda: measure(decoded)),
    }


def of_publishing() -> float:
    """Return the cost per frame on the publish thread, which applies to unmeasured frames too."""
    model, watch = make_model(reference=TINY_REFERENCE), DriftMonitor(DriftSettings(), Metrics(CollectorRegistry()))
    pixels = np.random.default_rng(1).bytes(50_000)
    frames = [make_frame(number, pixels + b"%d" % number) for number in range(8)]
    seen = [Prediction(frame, model, 224, 224, (0.9, 0.1), 0.0, 0.0, 0.0) for frame in frames]
    outcomes = cycle([(outcome, EventBuilder({}).event(outcome, 0.0)) for outcome in seen])
    return microseconds(lambda: watch.on_sent(*next(outcomes)))


if __name__ == "__main__":
    cv2.setNumThreads(1)
    turns = CameraSampler(0.2)
    print_summary(
        {f"{spec.height_px}x{spec.width_px} {spec.colour}": of_decoding(spec) for spec in _SPECS}
        | {"turn_us": microseconds(lambda: turns.due("top-1")), "saw_us": of_publishing()}
    )
