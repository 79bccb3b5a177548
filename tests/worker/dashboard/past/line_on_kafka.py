"""Coils of one line, written to a fake Kafka as the worker and `stripwatch coils` write them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType, SimpleNamespace

import msgspec

from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.coil_summary import CoilSummary, OffsetSpan
from stripwatch.worker.contracts.topics import COILS, REJECTS, RESULTS
from tests.worker.dashboard.events import Shown, event
from tests.worker.dashboard.past.fake_kafka import FakeKafka

BEGIN_S = 1_800_000_000
FRAME_S = 4


@dataclass
class LineOnKafka:
    """A line whose frames follow each other every four seconds, and the results of which are written at once.

    now_s: capture time of the next frame.
    """

    kafka: FakeKafka = field(default_factory=FakeKafka)
    now_s: float = BEGIN_S

    def __post_init__(self) -> None:
        self.kafka.create(RESULTS, REJECTS)

    def run(self, coil: str, frames: int, defects: Mapping[int, str] = MappingProxyType({})) -> list[int]:
        """Run a coil. defects: class of the defect by number of the frame. Return the offsets of its results."""
        offsets = []
        for number in range(frames):
            shown = Shown(number, coil, label=defects.get(number))
            place = SimpleNamespace(topic="inspection.frames", partition=0, offset=number)
            value = msgspec.json.encode(event(shown, place, datetime.fromtimestamp(self.now_s, UTC)))
            offsets.append(self.kafka.send(RESULTS, value, round(1000 * self.now_s), b"top-1"))
            self.now_s += FRAME_S
        return offsets

    def pause(self, seconds: float) -> None:
        self.now_s += seconds

    def reject(self, coil: str, number: int) -> None:
        headers = [("ce_id", f"r-{coil}-{number}".encode()), ("ce_source", b"/plant/line-1/top-1")]
        headers += [("ce_subject", coil.encode())]
        self.kafka.send(REJECTS, b"\xff", round(1000 * self.now_s), b"top-1", headers)

    def summarize(self, summary: CoilSummary, offsets: list[int] | None = None) -> None:
        """Write the summary of a coil. offsets: its results."""
        spans = {f"{RESULTS}-0": OffsetSpan(offsets[0], offsets[-1])} if offsets else summary.offsets
        value = msgspec.json.encode(msgspec.structs.replace(summary, offsets=spans))
        self.kafka.send(COILS, value, round(1000 * self.now_s), (summary.line or "").encode())


def settings(**given: object) -> Settings:
    return load_settings(None, given)
