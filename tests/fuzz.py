"""Send mutated frames and headers through header parsing, decoding and rejection.

    python -m tests.fuzz --frames 200000 --seed 0

The frames are image files of every format, and raw buffers. Every frame must be decoded to pixels of the specified
shape, or be rejected with a known reason and headers that Kafka accepts. Everything else is a crash: any other
exception, a process that dies (frames are handled in a child process), or output of a library on that process's stderr.
The last line on stdout is JSON. Exit code 0: there were no crashes and every frame is accounted for; 1: otherwise.
"""

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from kafka.record.default_records import DefaultRecordBatchBuilder

from stripwatch.worker.common.errors import FrameRejected
from stripwatch.worker.contracts.frame import Frame, read_record
from stripwatch.worker.contracts.frame_headers import event_headers
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeLimits, DecodeSpec, Levels
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.outcomes import RejectedFrame
from stripwatch.worker.pipeline.produce.record_builder import reject_headers
from tests.models import make_model
from tests.mutate import BYTES_MAX, mutate, mutate_raw

CHUNK = 500
CRASH = "crash"
RAW_SHARE = 1 / 7  # the same as that of each kind of file
LIMITS = [
    DecodeLimits(bytes_max=BYTES_MAX, pixels_max=4_000_000, progressive="reject"),
    DecodeLimits(bytes_max=BYTES_MAX, pixels_max=4_000_000, flags_damaged=True, progressive="flag"),
]
SPECS = [
    DecodeSpec(16, 24),
    DecodeSpec(40, 40, "grey"),
    DecodeSpec(16, 24, jpeg_scale=2),
    DecodeSpec(9, 9, "grey", jpeg_scale=8, bit_depth=12),
    DecodeSpec(16, 24, bit_depth=10, levels=Levels(0.1, 0.6)),
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
    """Outcomes of the frames.

    outcomes: counts by kind of frame and outcome, which is "decoded" with the flags, or the reason of a reject.
    crashes: error messages by frame number.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    crashes: dict[int, str] = field(default_factory=dict)
    slowest_ms: float = 0.0
    memory_mb: float = 0.0

    def add(self, other: "Found") -> None:
        self.outcomes += other.outcomes
        self.crashes |= other.crashes
        self.slowest_ms = max(self.slowest_ms, other.slowest_ms)
        self.memory_mb = max(self.memory_mb, other.memory_mb)

    def by_kind(self) -> dict[str, dict[str, int]]:
        """Return the outcomes of each kind of frame, the most frequent first."""
        kinds = sorted({kind for kind, _ in self.outcomes})
        return {
            kind: {outcome: count for (found, outcome), count in self.outcomes.most_common() if found == kind}
            for kind in kinds
        }


class StderrWatch:
    """Redirect the stderr of this process to a file, and read what Python or a library writes there."""

    def __init__(self, path: str) -> None:
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), 2)
        self._read_bytes = os.fstat(2).st_size

    def new_text(self) -> str:
        """Return the text written since the last call."""
        size = os.fstat(2).st_size
        written = os.pread(2, size - self._read_bytes, self._read_bytes)
        self._read_bytes = size
        return written.decode(errors="replace")


_stderr: StderrWatch | None = None  # in the child process


def fuzz_in_child(frames: int, seed: int, each: Callable[[int], None] = lambda _: None) -> Found:
    """Run in a child process, which is restarted if a frame kills it. each: called with the number of frames done."""
    with tempfile.TemporaryDirectory() as folder:
        return _fuzz_in_child(frames, seed, each, str(Path(folder) / "stderr"))


def _fuzz_in_child(frames: int, seed: int, each: Callable[[int], None], stderr: str) -> Found:
    found, first = Found(), 0
    while first < frames:
        last = min(first + CHUNK, frames)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _watch_stderr, (stderr,)) as pool:
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


def _watch_stderr(path: str) -> None:
    global _stderr
    _stderr = StderrWatch(path)


def fuzz(first: int, last: int, seed: int) -> Found:
    """Run frames first to last - 1 of this seed in this process."""
    found = Found()
    for number in range(first, last):
        rng = np.random.default_rng([seed, number])
        kind, record = random_record(number, rng)
        started_s = time.perf_counter()
        try:
            outcome = account_record(record)
            if _stderr and (written := _stderr.new_text()):
                raise AssertionError(f"written to stderr: {written[:500]}")
        except Exception as error:
            found.crashes[number] = f"{kind}: {type(error).__name__}: {error}"
            outcome = CRASH
        found.slowest_ms = max(found.slowest_ms, (time.perf_counter() - started_s) * 1000)
        found.outcomes[kind, outcome] += 1
    found.memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def account_record(record: Record) -> str:
    """Return the outcome of a frame: "decoded" with its flags, or the reason of its reject.

    Any exception raised counts as a crash.
    """
    frame = read_record(record, "cluster", 0.0)
    spec = SPECS[record.position.offset % len(SPECS)]
    try:
        image = decode(frame.encoded, spec, LIMITS[record.position.offset % 2], frame.layout)
    except FrameRejected as error:
        reject = EVENTS.reject(RejectedFrame(frame, MODEL, error))
        msgspec.json.encode(reject)
        _send(frame, reject_headers(reject, frame, len(frame.encoded)))
        return error.reason.value
    if image.pixels.shape != spec.shape or image.pixels.dtype != np.uint8:
        raise AssertionError(f"expected uint8 pixels of {spec.shape}, got {image.pixels.shape}, {image.pixels.dtype}")
    _send(frame, event_headers(frame, "result"))
    return ", ".join(("decoded", *image.flags))


def _send(frame: Frame, headers: list[tuple[str, bytes]]) -> None:
    """Append the headers to a record batch, as kafka-python does before it sends."""
    batch = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1_000_000)
    assert batch.append(0, 0, frame.camera.encode(), b"", headers) is not None
    msgspec.json.encode(frame.camera)


def random_record(number: int, rng: np.random.Generator) -> tuple[str, Record]:
    """Return the kind of a frame, and a mutated record of that kind."""
    layout: list[tuple[str, bytes | None]] = []
    if rng.random() < RAW_SHARE:
        kind, (encoded, layout) = "raw", mutate_raw(rng)
    else:
        kind, encoded = mutate(rng)
    position = Position("frames", 0, number)
    key = None if rng.random() < 0.2 else _bytes(rng)
    headers = [(str(rng.choice(NAMES)), _value(rng)) for _ in range(rng.integers(0, 12))]
    headers = [*headers, *layout] if rng.random() < 0.9 else [*layout, *headers]
    if rng.random() < 0.01:
        headers *= 50
    return kind, Record(position, int(rng.integers(-(2**62), 2**62)), key, encoded, headers)


def _value(rng: np.random.Generator) -> bytes | None:
    return None if rng.random() < 0.05 else _bytes(rng)


def _bytes(rng: np.random.Generator) -> bytes:
    if rng.random() < 0.7:
        return VALUES[rng.integers(len(VALUES))]
    return rng.bytes(int(rng.integers(0, 300)))


def table(found: Found) -> Iterator[str]:
    yield "| kind | frames | outcomes |"
    yield "|---|---|---|"
    for kind, outcomes in found.by_kind().items():
        counts = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.items())
        yield f"| {kind} | {sum(outcomes.values())} | {counts} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200_000, help="Number of frames.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the mutations.")
    wanted = parser.parse_args()
    started_s = time.monotonic()
    found = fuzz_in_child(
        wanted.frames, wanted.seed, lambda done: print(f"\r{done} of {wanted.frames}", end="", file=sys.stderr)
    )
    print("", *table(found), *(f"frame {number}: {text}" for number, text in found.crashes.items()), sep="\n")
    accounted = sum(count for (_, outcome), count in found.outcomes.items() if outcome != CRASH)
    summary = {
        "frames": wanted.frames,
        "seed": wanted.seed,
        "accounted": accounted,
        "crashes": len(found.crashes),
        "outcomes": found.by_kind(),
        "slowest_ms": round(found.slowest_ms, 1),
        "memory_mb_max": round(found.memory_mb),
        "seconds": round(time.monotonic() - started_s, 1),
    }
    print(json.dumps(summary))
    sys.exit(0 if not found.crashes and accounted == wanted.frames else 1)


if __name__ == "__main__":
    main()
