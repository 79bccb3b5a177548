"""How fast bundles run here: frames per second and latency, by batch size, as the worker runs them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.session import Session

_ROUNDS = 5
_Took = tuple[float, float]  # seconds of one run: on the wall, and of work


@dataclass(frozen=True, slots=True)
class Speed:
    """Of one batch size. frames_per_second: that of the fastest run, as the worker finds it at warm-up, since all else
    that slows a run is other work on the machine. Latencies are of a whole batch, with whatever else was going on.
    cpu_ms_a_frame: what all threads of this process worked for a frame (median), which other work hardly changes.
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
    """One list a session, one entry a batch size, from `seconds` of runs each, golden frames in and all outputs out.

    They take turns, round by round, so that whatever else the machine does strikes all of them alike.
    """
    turns = [(at, size, _batch(session, size)) for at, session in enumerate(sessions) for size in batch_sizes]
    took: dict[tuple[int, int], list[_Took]] = {(at, size): [] for at, size, _ in turns}
    for _ in range(_ROUNDS):
        for at, size, frames in turns:
            took[at, size] += _time_runs(sessions[at], frames, seconds / _ROUNDS)
            advance()
    return [[_speed(size, took[at, size]) for size in batch_sizes] for at in range(len(sessions))]


def rounds_of(sessions: int, batch_sizes: int) -> int:
    """How often measure_speeds advances."""
    return _ROUNDS * sessions * batch_sizes


def _batch(session: Session, size: int) -> Pixels:
    """Golden frames, over and over: real pixels, since a network may be faster on blank ones."""
    manifest = session.bundle.manifest
    real = np.stack([decode(golden.encoded, manifest.decode).pixels for golden in manifest.golden])
    return np.ascontiguousarray(np.resize(real, (size, *manifest.decode.shape)))


def _time_runs(session: Session, frames: Pixels, seconds: float) -> list[_Took]:
    """The first run after another session's turn finds cold caches and does not count."""
    session.predict(frames)
    found: list[_Took] = []
    started_s = time.perf_counter()
    while not found or time.perf_counter() - started_s < seconds:
        run_started_s, cpu_started_s = time.perf_counter(), time.process_time()
        session.predict(frames)
        found.append((time.perf_counter() - run_started_s, time.process_time() - cpu_started_s))
    return found


def _speed(size: int, took: list[_Took]) -> Speed:
    wall_ms, cpu_ms = 1000 * np.array(took).T
    p50, p99 = (round(float(at), 3) for at in np.percentile(wall_ms, (50, 99)))
    cpu_ms_a_frame = round(float(np.median(cpu_ms)) / size, 4)
    return Speed(size, round(1000 * size / float(wall_ms.min()), 1), p50, p99, cpu_ms_a_frame, len(took))
