"""Timing of bundles by batch size in the worker's own inference session."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.session import Session

_ROUNDS = 5
_Durations = tuple[float, float]  # seconds of one run: wall clock time and CPU time


@dataclass(frozen=True, slots=True)
class Speed:
    """Speed at one batch size.

    frames_per_second: of the fastest run, as the worker determines it at warm-up, because slower runs are slowed by
    other load on the machine. latency_ms_p50, latency_ms_p99: of a whole batch, other load included. cpu_ms_a_frame:
    median CPU time of all threads per frame, which other load hardly affects. runs: number of runs measured.
    """

    batch_frames: int
    frames_per_second: float
    latency_ms_p50: float
    latency_ms_p99: float
    cpu_ms_a_frame: float
    runs: int


def measure_speeds(
    sessions: Sequence[Session], batch_sizes: Sequence[int], seconds: float, advance: Callable[[], None]
) -> list[list[Speed]]:
    """Return one list per session with one entry per batch size.

    Each entry is measured for `seconds`, on golden frames and with all outputs. The sessions alternate in rounds, so
    that other load on the machine affects all of them equally. advance: called after each measurement.
    """
    turns = [(at, size, _batch(session, size)) for at, session in enumerate(sessions) for size in batch_sizes]
    took: dict[tuple[int, int], list[_Durations]] = {(at, size): [] for at, size, _ in turns}
    for _ in range(_ROUNDS):
        for at, size, frames in turns:
            took[at, size] += _time_runs(sessions[at], frames, seconds / _ROUNDS)
            advance()
    return [[_speed(size, took[at, size]) for size in batch_sizes] for at in range(len(sessions))]


def rounds_of(sessions: int, batch_sizes: int) -> int:
    """Return how often measure_speeds calls `advance`."""
    return _ROUNDS * sessions * batch_sizes


def _batch(session: Session, size: int) -> Pixels:
    """Return a batch of repeated golden frames: real pixels, because a network may be faster on blank ones."""
    manifest = session.bundle.manifest
    real = np.stack([decode(golden.encoded, manifest.decode).pixels for golden in manifest.golden])
    return np.ascontiguousarray(np.resize(real, (size, *manifest.decode.shape)))


def _time_runs(session: Session, frames: Pixels, seconds: float) -> list[_Durations]:
    """Time repeated runs. A first run is not counted, because another session has left the caches cold."""
    session.predict(frames)
    durations: list[_Durations] = []
    started_s = time.perf_counter()
    while not durations or time.perf_counter() - started_s < seconds:
        run_started_s, cpu_started_s = time.perf_counter(), time.process_time()
        session.predict(frames)
        durations.append((time.perf_counter() - run_started_s, time.process_time() - cpu_started_s))
    return durations


def _speed(size: int, durations: list[_Durations]) -> Speed:
    wall_ms, cpu_ms = 1000 * np.array(durations).T
    p50, p99 = (round(float(at), 3) for at in np.percentile(wall_ms, (50, 99)))
    cpu_ms_a_frame = round(float(np.median(cpu_ms)) / size, 4)
    return Speed(size, round(1000 * size / float(wall_ms.min()), 1), p50, p99, cpu_ms_a_frame, len(durations))
