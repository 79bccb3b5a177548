"""A coil, or the part of it between two silences, from its first frame until nothing can correct it any more."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from stripwatch.worker.coils.coil import CoilAggregate, CoilSummary, Ended


class Source(NamedTuple):
    """Where an event of a frame was read. read_before: by an earlier run, which had counted it."""

    partition: Hashable
    offset: int
    read_before: bool = False


@dataclass(slots=True, eq=False, weakref_slot=True)
class CoilPart:
    """first_ms, last_ms: times of capture by the clock of the workers. heard_s: when an event of it came last.

    changed: since its newest summary, whose number is revision. correctable_until_s: of a part that has ended.
    first_offsets: where it began in each partition, so that it can be read again. fresh: frames that no earlier run
    has counted.
    """

    log: CoilAggregate
    first_ms: int
    last_ms: int
    heard_s: float
    ended: Ended | None = None
    revision: int = 0
    changed: bool = True
    correctable_until_s: float = inf
    first_offsets: dict[Hashable, int] = field(default_factory=dict)
    fresh: int = 0

    def gap_ms(self, at_ms: int) -> float:
        """How far outside of the part a moment is. One that was cut at a limit takes no more frames."""
        return inf if self.ended == "limit" else max(self.first_ms - at_ms, at_ms - self.last_ms, 0)

    def stretch_to(self, at_ms: int) -> None:
        """A frame of this moment belongs to it. If that lies beyond its end, the part had not ended."""
        if at_ms > self.last_ms and self.ended != "limit":
            self.ended = None
        self.first_ms, self.last_ms = min(self.first_ms, at_ms), max(self.last_ms, at_ms)

    def note_source(self, source: Source | None) -> None:
        if source is not None:
            self.first_offsets.setdefault(source.partition, source.offset)

    def summary(self) -> CoilSummary:
        """To be published: from now on the coil keeps its id."""
        self.log.pin_id(self.log.id)
        return self.log.summary(self.ended, self.revision)
