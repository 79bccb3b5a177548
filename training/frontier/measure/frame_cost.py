"""Processor time of a whole frame, from its bytes to its scores, measured as a worker computes it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import cv2
import msgspec
import numpy as np
import onnxruntime as ort

from stripwatch.training.frontier.plan.result import Cost
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec, Pixels
from stripwatch.worker.model.bundle import INPUT_NAME
from stripwatch.worker.model.providers import CPU, session_options

_LIMITS = DecodeLimits(flags_damaged=True)  # as in a worker
_BATCHES = (1, 4, 16)
_GAIN_MIN = 1.05  # a worker uses a larger batch only if it is faster by this factor
_WARM_UP_RUNS = 3
_ROUND_S_MIN, _ROUND_S_MAX = 0.1, 4.0  # of one step in one round


class Round(msgspec.Struct, frozen=True):
    """One measurement of a candidate, in ms of processor time per frame."""

    decode_ms: float
    inference_ms: float


@dataclass(frozen=True, slots=True)
class Subject:
    """A candidate that is timed.

    encoded: real frames. pixels: of these frames, uint8 [n, h, w, c]. session: on one thread. batch: frames per run.
    """

    encoded: Sequence[bytes]
    spec: DecodeSpec
    pixels: Pixels
    session: ort.InferenceSession
    batch: int


def open_subject(model: bytes, spec: DecodeSpec, encoded: Sequence[bytes], batch: int | None = None) -> Subject:
    """Open the graph of a candidate as a worker does, on one thread, and choose the batch size as a worker does.

    batch: of earlier rounds; None chooses it.
    """
    cv2.setNumThreads(1)  # as in a worker
    session = ort.InferenceSession(model, session_options(1), providers=[CPU])
    pixels = np.stack([decode(each, spec, _LIMITS).pixels for each in encoded])
    return Subject(encoded, spec, pixels, session, batch or _best_batch(session, pixels))


def _best_batch(session: ort.InferenceSession, pixels: Pixels) -> int:
    best, best_ms = 1, float("inf")
    for batch in _BATCHES:
        frames = np.resize(pixels, (batch, *pixels.shape[1:]))
        session.run(None, {INPUT_NAME: frames})
        took = min(_took_ms(partial(session.run, None, {INPUT_NAME: frames})) for _ in range(_WARM_UP_RUNS)) / batch
        if took * _GAIN_MIN < best_ms:
            best, best_ms = batch, took
    return best


def measure_round(subject: Subject) -> Round:
    """Measure decoding and inference once. The first run of each is not counted, because the caches are cold."""
    at = 0

    def decode_next() -> None:
        nonlocal at
        decode(subject.encoded[at % len(subject.encoded)], subject.spec, _LIMITS)
        at += 1

    shape, count = subject.pixels.shape[1:], len(subject.pixels)
    batches = [
        np.ascontiguousarray(subject.pixels[np.arange(first, first + subject.batch) % count].reshape(-1, *shape))
        for first in range(0, count, subject.batch)
    ]

    def infer_next() -> None:
        nonlocal at
        subject.session.run(None, {INPUT_NAME: batches[at % len(batches)]})
        at += 1

    decode_ms = _repeated_ms(decode_next, count)
    at = 0
    return Round(decode_ms, _repeated_ms(infer_next, len(batches)) / subject.batch)


def measure_decoding(encoded: Sequence[bytes], spec: DecodeSpec) -> float:
    """Return the processor time for decoding a frame, in ms, measured once."""
    decode(encoded[0], spec, _LIMITS)
    return median(_took_ms(partial(decode, frame, spec, _LIMITS)) for frame in encoded)


def _repeated_ms(step: Callable[[], None], turns: int) -> float:
    """Return the mean processor time of a step: of all turns at least once, unless that takes too long."""
    step()
    took_ms, count = 0.0, 0
    while took_ms < 1000 * _ROUND_S_MIN or count < turns:
        took_ms += _took_ms(step)
        count += 1
        if took_ms > 1000 * _ROUND_S_MAX:
            break
    return took_ms / count


def _took_ms(step: Callable[[], object]) -> float:
    """Return the processor time of this thread, on which ONNX Runtime computes if it has one thread."""
    started = time.thread_time_ns()
    step()
    return (time.thread_time_ns() - started) / 1e6


def summarize(rounds: Sequence[Round], batch: int) -> Cost:
    """Return the medians over the rounds, their sum, and the smallest and largest total."""
    decode_ms, inference_ms = (median(getattr(each, name) for each in rounds) for name in ("decode_ms", "inference_ms"))
    totals = [decode_ms + inference_ms, *(each.decode_ms + each.inference_ms for each in rounds)]
    return Cost(
        decode_ms=decode_ms,
        inference_ms=inference_ms,
        total_ms=totals[0],
        total_low_ms=min(totals),
        total_high_ms=max(totals),
        batch=batch,
        rounds=len(rounds),
    )
