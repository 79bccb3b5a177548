"""Limits of the machine, measured between the laps on the same frames: cost and duration of each step alone."""

import statistics
import time
from collections.abc import Callable
from itertools import cycle, islice

import numpy as np

from stripwatch.worker.bench.stage_costs import StageCosts, measure_steps
from stripwatch.worker.broker.producers import open_producer, producer_config
from stripwatch.worker.broker.workarounds.producer.fixed_linger import set_linger
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.sections import Topics
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.model.loading.open_model import load_model
from tests.benchmarks.peers.cameras import read_shots
from tests.benchmarks.peers.lap import Track

_TIMES = 200
_ALONE_S = 5.0


def settings_of(track: Track, **more: object) -> Settings:
    settings = load_settings(None, {"bundle": track.bundle, "provider": "cpu", **more})
    topics = Topics(frames=track.topic)
    return settings.model_copy(update={"bootstrap_servers": track.broker.bootstrap_servers, "topics": topics})


def steps_alone(track: Track) -> StageCosts:
    """Return the cost of consumer, decoding, inference and producer, as `stripwatch bench` measures it."""
    return measure_steps(settings_of(track), track.count, track.handle.new_topic(1))


def one_of_each_ms(track: Track) -> float:
    """Return the median time to decode one frame, infer it on one thread, and publish one event until acknowledged."""
    model = load_model(settings_of(track, inference_threads=1, batch_frames_max=1))
    encoded = cycle([shot.encoded for shot in read_shots(track.folder)[:64]])
    pixels = model.decode(next(encoded)).pixels[np.newaxis]
    topic = track.handle.new_topic(1)
    with open_producer(producer_config(settings_of(track))) as producer:
        set_linger(producer, 0)  # as the worker does for a single frame
        steps: tuple[Callable[[], object], ...] = (
            lambda: model.decode(next(encoded)),
            lambda: model.session.predict(pixels),
            lambda: producer.send(topic, bytes(1000)).get(timeout=10),
        )
        return sum(map(_median_ms, steps))


def inference_alone_fps(track: Track) -> float:
    """Measure ONNX Runtime alone, on all cores, with prepared batches of the best size."""
    session = load_model(settings_of(track)).session
    size = session.best_batch_frames
    decode = load_model(settings_of(track, batch_frames_max=1)).decode
    ready = np.stack([decode(shot.encoded).pixels for shot in islice(cycle(read_shots(track.folder)), size)])
    done, started_s = 0, time.perf_counter()
    while (elapsed_s := time.perf_counter() - started_s) < _ALONE_S:
        session.predict(ready)
        done += size
    return done / elapsed_s


def _median_ms(step: Callable[[], object]) -> float:
    took = []
    for _ in range(_TIMES):
        started_s = time.perf_counter()
        step()
        took.append(time.perf_counter() - started_s)
    return 1000 * statistics.median(took)
