"""Frame for tests that need only some of its fields."""

import time
from dataclasses import replace
from typing import Any

from stripwatch.worker.contracts.frame import Frame, read_record
from stripwatch.worker.contracts.positions import Position, Record


def make_frame(offset: int = 0, encoded: bytes = b"x", partition: int = 0, **changes: Any) -> Frame:
    record = Record(Position("frames", partition, offset), 1_700_000_000_000, b"top-1", encoded, [])
    return replace(read_record(record, "cluster", time.monotonic()), **changes)
