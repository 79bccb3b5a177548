"""Frames and headers that nobody meant to send, by the hundred thousand, through frame, decode and reject.

    python -m tests.fuzz --frames 100000 --seed 0

Every frame must end as pixels of the shape that the spec says, or as a reject with one of the known reasons whose
headers Kafka takes. All else is a crash: an exception of another kind, or a process that dies (it runs in a child).
The last line on stdout is JSON; exit code 1 unless there were no crashes and the counts add up.
"""

import argparse
import json
import multiprocessing
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

import msgspec
import numpy as np
from kafka.record.default_records import DefaultRecordBatchBuilder

from stripwatch.worker.common.errors import FrameRejected
from stripwatch.worker.contracts.frame import Frame, read_record
from stripwatch.worker.contracts.frame_headers import event_headers
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.outcomes import RejectedFrame
from stripwatch.worker.pipeline.produce.record_builder import reject_headers
from tests.models import make_model
from tests.mutate import BYTES_MAX, mutate

CHUNK = 500
LIMITS = DecodeLimits(bytes_max=BYTES_MAX, pixels_max=4_000_000)
SPECS = [
    DecodeSpec(16, 24),
    DecodeSpec(40, 40, "grey"),
    DecodeSpec(16, 24, jpeg_scale=2),
    DecodeSpec(9, 9, "grey", jpeg_scale=8),
]
NAMES = [
    *("ce_id", "ce_source", "ce_time", "ce_subject", "ce_strippositionmm", "traceparent", "content-type", "", "ключ"),
    *("original.ce_id", "stripwatch_reason", "stripwatch_replays"),
]
VALUES = [
    *(
        b"",
        b"0",
        b"-1",
        b"9" * 40,
        b"1e5",
        b"nan",
        b"\xff\xfe",
        b"a/b//c",
        b"../../etc/passwd",
        b"\x00",
        "é".encode() * 99,
    ),
    *(
        b"2026-11-23T02:00:00Z",
        b"0001-01-01T00:00:00+23:59",
        b"9999-12-31T23:59:59-23:59",
        b"2026-11-23",
        b"2026-02-30T0:0Z",
    ),
    *(b"/plant/hot-rolling/line-1/top-1", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
]
EVENTS, MODEL = EventBuilder({}), make_model()


@dataclass(slots=True)
class Found:
    """outcomes: decoded, or the reason of a reject. crashes: what could not be accounted for, by frame number."""

    outcomes: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    crashes: dict[int, str] = field(default_factory=dict)
    slowest_ms: float = 0.0
    memory_mb: float = 0.0

    def add(self, other: "Found") -> None:
        self.outcomes += other.outcomes
        self.kinds += other.kinds
        self.crashes |= other.crashes
        self.slowest_ms = max(self.slowest_ms, other.slowest_ms)
        self.memory_mb = max(self.memory_mb, other.memory_mb)


def fuzz_in_child(frames: int, seed: int, each: Callable[[int], None] = lambda _: None) -> Found:
    """In a child process, which is restarted when a frame kills it. each: called with the frames done so far."""
    found, first = Found(), 0
    while first < frames:
        last = min(first + CHUNK, frames)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _be_quiet) as pool:
            running: list[tuple[int, Future[Found]]] = []
            for start in range(first, frames, CHUNK):
                running.append((start, pool.submit(fuzz, start, min(start + CHUNK, frames), seed)))
            try:
                for start, done in running:
                    first, last = start, min(start + CHUNK, frames)
                    found.add(done.result())
                    each(last)
            except BrokenProcessPool:
                found.crashes[first] = f"the process died between frame {first} and {last}"
        first = last
    return found


def _be_quiet() -> None:
    """libjpeg and libpng have a line for every other frame."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def fuzz(first: int, last: int, seed: int) -> Found:
    """Frames first to last - 1 of this seed, in this process."""
    found = Found()
    for number in range(first, last):
        rng = np.random.default_rng([seed, number])
        kind, encoded = mutate(rng)
        started_s = time.perf_counter()
        try:
            outcome = account(number, encoded, rng)
        except Exception as error:
            found.crashes[number] = f"{type(error).__name__}: {error}"
            outcome = "crash"
        found.slowest_ms = max(found.slowest_ms, (time.perf_counter() - started_s) * 1000)
        found.outcomes[outcome] += 1
        found.kinds[kind] += 1
    found.memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def account(number: int, encoded: bytes, rng: np.random.Generator) -> str:
    return account_record(_record(number, encoded, rng))


def account_record(record: Record) -> str:
    """What became of one frame: "decoded", or the reason of its reject. Raises what must not be."""
    frame = read_record(record, "cluster", 0.0)
    spec = SPECS[record.position.offset % len(SPECS)]
    try:
        image = decode(frame.encoded, spec, LIMITS)
    except FrameRejected as error:
        reject = EVENTS.reject(RejectedFrame(frame, MODEL, error))
        msgspec.json.encode(reject)
        _send(frame, reject_headers(reject, frame, len(frame.encoded)))
        return error.reason.value
    if image.pixels.shape != spec.shape or image.pixels.dtype != np.uint8:
        raise AssertionError(f"pixels of {image.pixels.shape}, {image.pixels.dtype}")
    _send(frame, event_headers(frame, "result"))
    return "decoded"


def _send(frame: Frame, headers: list[tuple[str, bytes]]) -> None:
    """As far as kafka-python goes before the network: into a batch."""
    batch = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1_000_000)
    assert batch.append(0, 0, frame.camera.encode(), b"", headers) is not None
    msgspec.json.encode(frame.camera)


def _record(number: int, encoded: bytes, rng: np.random.Generator) -> Record:
    position = Position("frames", 0, number)
    key = None if rng.random() < 0.2 else _bytes(rng)
    headers = [(str(rng.choice(NAMES)), _value(rng)) for _ in range(rng.integers(0, 12))]
    if rng.random() < 0.01:
        headers *= 50
    return Record(position, int(rng.integers(-(2**62), 2**62)), key, encoded, headers)


def _value(rng: np.random.Generator) -> bytes | None:
    return None if rng.random() < 0.05 else _bytes(rng)


def _bytes(rng: np.random.Generator) -> bytes:
    if rng.random() < 0.7:
        return VALUES[rng.integers(len(VALUES))]
    return rng.bytes(int(rng.integers(0, 300)))


def table(found: Found) -> Iterator[str]:
    total = found.outcomes.total()
    yield "| outcome | frames | share |"
    yield "|---|---|---|"
    for outcome, count in found.outcomes.most_common():
        yield f"| {outcome} | {count} | {count / total:.1%} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    started_s = time.monotonic()
    found = fuzz_in_child(
        wanted.frames, wanted.seed, lambda done: print(f"\r{done} of {wanted.frames}", end="", file=sys.stderr)
    )
    print("", *table(found), *(f"frame {number}: {text}" for number, text in found.crashes.items()), sep="\n")
    accounted = found.outcomes.total() - found.outcomes["crash"]
    summary = {
        "frames": wanted.frames,
        "seed": wanted.seed,
        "accounted": accounted,
        "crashes": len(found.crashes),
        "kinds": dict(found.kinds),
        "outcomes": dict(found.outcomes),
        "slowest_ms": round(found.slowest_ms, 1),
        "memory_mb_max": round(found.memory_mb),
        "seconds": round(time.monotonic() - started_s, 1),
    }
    print(json.dumps(summary))
    sys.exit(0 if not found.crashes and accounted == wanted.frames else 1)


if __name__ == "__main__":
    main()
