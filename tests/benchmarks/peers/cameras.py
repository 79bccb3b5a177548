"""Simulated cameras for the benchmarks: send the same number of frames to every partition, at once or at a fixed rate.

`python -m tests.benchmarks.peers.cameras` is the process of the cameras; it reads its plan from the environment.
"""

import itertools
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from kafka import KafkaProducer

from stripwatch.worker.common.clock import SystemClock
from stripwatch.worker.contracts.frame_headers import Headers
from stripwatch.worker.images.image_files import CONTENT_TYPES
from stripwatch.worker.simulator.cameras import SimulatedLine, SourceImage, play
from stripwatch.worker.simulator.frame_sender import FrameSender
from stripwatch.worker.simulator.simulate import repeat_pool

CAMERAS = PARTITIONS = max(4, 2 * (os.cpu_count() or 1))
VARIABLE = "CAMERAS_PLAN"
_SEED = 20_260_002
_MESSAGE_BYTES_MAX = 16_000_000


class Plan(msgspec.Struct, frozen=True):
    """Frames to send. rate_fps: total rate of all cameras; 0: as fast as possible."""

    bootstrap_servers: str
    topic: str
    folder: str
    frames: int
    rate_fps: float = 0.0

    def environment(self) -> dict[str, str]:
        return {VARIABLE: msgspec.json.encode(self).decode()}


class ByCamera:
    """Producer with one partition per camera, so that processes get equal shares."""

    def __init__(self, producer: KafkaProducer) -> None:
        self._producer = producer

    def send(self, topic: str, *, value: bytes, key: bytes, headers: Headers, timestamp_ms: int) -> Any:
        partition = (int(key.rpartition(b"-")[2]) - 1) % PARTITIONS
        return self._producer.send(
            topic, value=value, key=key, headers=headers, timestamp_ms=timestamp_ms, partition=partition
        )

    def flush(self, timeout: float) -> None:
        self._producer.flush(timeout)


def send_frames(plan: Plan, shots: Sequence[SourceImage]) -> None:
    """Send the frames, and wait until all are acknowledged. Raises BrokerUnavailableError."""
    line = SimulatedLine(cameras=CAMERAS, rate_fps=plan.rate_fps / CAMERAS, mm_per_frame=1000, coil="BENCH")
    clock = SystemClock()
    with KafkaProducer(
        bootstrap_servers=plan.bootstrap_servers, acks="all", max_request_size=_MESSAGE_BYTES_MAX
    ) as producer:
        sender = FrameSender(ByCamera(producer), plan.topic, None)
        play(itertools.islice(repeat_pool(list(shots), _SEED), plan.frames), line, sender.send, clock, math.inf)
        sender.finish()


def read_shots(folder: Path) -> list[SourceImage]:
    """Return the images of a folder, sorted by file name."""
    return [SourceImage(path.read_bytes(), CONTENT_TYPES[path.suffix.lower()]) for path in sorted(folder.iterdir())]


def main() -> None:
    plan = msgspec.json.decode(os.environ[VARIABLE], type=Plan)
    send_frames(plan, read_shots(Path(plan.folder)))


if __name__ == "__main__":
    main()
