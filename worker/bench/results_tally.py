"""Counts results and rejects as a reader of the topics sees them, and compares them with the frames sent."""

from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from stripwatch.worker.contracts.events import Result, UnsureReason
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.contracts.timestamps import parse_rfc3339
from stripwatch.worker.simulator.frame_sender import SentFrame

_RECENT = 2000


@dataclass(slots=True)
class CameraCounts:
    verdicts: Counter[str] = field(default_factory=Counter)
    defects: Counter[str] = field(default_factory=Counter)
    recent_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))


@dataclass(slots=True)
class ResultsTally:
    """Counts of results and rejects, by frame position so that a repeat cannot hide a lost frame.

    labels: the best label of each result. latencies_ms: from capture until the result was read. flags: number of frames
    per flag. novel: number of frames that are unsure because they are novel.
    """

    cameras: dict[str, CameraCounts] = field(default_factory=dict)
    labels: dict[Position, str | None] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)
    rejected: set[Position] = field(default_factory=set)
    flags: Counter[str] = field(default_factory=Counter)
    novel: int = 0
    repeats: int = 0
    defects: int = 0
    first_ms: float | None = None
    last_ms: float = 0.0

    @property
    def results(self) -> int:
        return len(self.labels)

    @property
    def rejects(self) -> int:
        return len(self.rejected)

    @property
    def seconds(self) -> float:
        """Time in seconds from the first result or reject to the last one."""
        return (self.last_ms - (self.first_ms or self.last_ms)) / 1000

    @property
    def frames_per_second(self) -> float:
        return (self.results + self.rejects) / self.seconds if self.seconds else 0.0

    def add_result(self, result: Result, read_ms: float) -> None:
        """Count a result. read_ms: time at which it was read, in ms since 1970."""
        frame = result.frame
        position = Position(frame.topic or "", frame.partition or 0, frame.offset or 0)
        self._seen(position, read_ms)
        self.labels[position] = result.label
        self.defects += result.verdict == "defect"
        self.flags.update(result.flags)
        self.novel += result.reason is UnsureReason.NOVEL
        latency_ms = read_ms - parse_rfc3339(frame.captured_at)
        self.latencies_ms.append(latency_ms)
        camera = self.cameras.setdefault(frame.camera, CameraCounts())
        camera.verdicts[result.verdict or "skipped"] += 1
        camera.defects.update(defect.label for defect in result.defects)
        camera.recent_ms.append(latency_ms)

    def add_reject(self, position: Position, read_ms: float) -> None:
        self._seen(position, read_ms)
        self.rejected.add(position)

    def latency_ms(self, percent: float) -> float | None:
        return round(float(np.percentile(self.latencies_ms, percent)), 1) if self.latencies_ms else None

    def _seen(self, position: Position, read_ms: float) -> None:
        self.repeats += position in self.labels or position in self.rejected
        self.first_ms = self.first_ms or read_ms
        self.last_ms = read_ms


def read_sent(path: Path) -> list[SentFrame]:
    """Read the entries of a --sent file; empty if it does not exist yet."""
    if not path.exists():
        return []
    return [msgspec.json.decode(line, type=SentFrame) for line in path.read_bytes().splitlines()]


def correct_ratio(sent: list[SentFrame], tally: ResultsTally, labels: list[str]) -> float | None:
    """Return the share of frames whose best label is correct, or None if no true label is known.

    A simulated frame has a known label. For a file, the true label is the one its name begins with, as in
    scratches_12.jpg. A frame with a true label but without a result counts as wrong.
    """
    positions = ((Position(frame.topic, frame.partition, frame.offset), frame) for frame in sent)
    truths = {position: truth for position, frame in positions if (truth := truth_of(frame, labels))}
    if not truths:
        return None
    return sum(tally.labels.get(position) == truth for position, truth in truths.items()) / len(truths)


def truth_of(frame: SentFrame, labels: list[str]) -> str | None:
    if frame.label is not None or frame.file is None:
        return frame.label
    prefix = Path(frame.file).stem.rpartition("_")[0]
    return prefix if prefix in labels else None


def summary(sent: list[SentFrame], tally: ResultsTally, labels: list[str], provider: str) -> dict[str, Any]:
    """Return the demo's summary. "repeats" is the number of surplus results and rejects for the same frame."""
    ratio = correct_ratio(sent, tally, labels)
    return {
        "frames_sent": len(sent),
        "results": tally.results,
        "rejects": tally.rejects,
        "defects": tally.defects,
        "frames_per_second": round(tally.frames_per_second, 1),
        "latency_ms_p50": tally.latency_ms(50),
        "latency_ms_p99": tally.latency_ms(99),
        "correct_ratio": None if ratio is None else round(ratio, 4),
        "provider": provider,
        "repeats": tally.repeats,
    }
