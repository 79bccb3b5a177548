"""Which frames are settled, and so up to where each partition may be committed."""

import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.frame import Position


class Partition(NamedTuple):
    topic: str
    number: int


@dataclass(slots=True)
class _Progress:
    """One partition: its open frames in the order they came, and what was last committed."""

    open: OrderedDict[int, None] = field(default_factory=OrderedDict)
    next_offset: int | None = None
    committed: int | None = None

    @property
    def committable(self) -> int | None:
        """The first frame that is not settled, or what follows the last one."""
        return next(iter(self.open), self.next_offset)


class Ledger:
    """Every frame between Kafka and its settlement. Any thread may call; no call waits for the network.

    Only partitions that were given to it are counted: a frame of any other belongs to another worker by now.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._partitions: dict[Partition, _Progress] = {}
        self._left_at: dict[Partition, int] = {}

    def assign(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Count these from now on. Of those that were just forgotten and are back: where reading must go on.

        The consumer keeps its own position in a partition that comes straight back, and that is past every frame that
        was open, or was not taken, when the partition was forgotten.
        """
        with self._lock:
            resume_at = {partition: self._left_at[partition] for partition in partitions if partition in self._left_at}
            self._left_at.clear()
            for partition in partitions:
                self._partitions.setdefault(partition, _Progress())
            return resume_at

    def forget(self, partitions: Collection[Partition]) -> None:
        with self._lock:
            for partition in partitions:
                offset = self._partitions.pop(partition, _Progress()).committable
                if offset is not None:
                    self._left_at[partition] = offset

    def partitions(self) -> list[Partition]:
        with self._lock:
            return list(self._partitions)

    def opened(self, position: Position) -> bool:
        """Take a frame in. False: its partition is not ours any more, so whoever gets it next will read it."""
        partition = Partition(position.topic, position.partition)
        with self._lock:
            progress = self._partitions.get(partition)
            if progress is None:
                self._left_at[partition] = min(position.offset, self._left_at.get(partition, position.offset))
                return False
            progress.open[position.offset] = None
            progress.next_offset = position.next_offset
            return True

    def settled(self, position: Position) -> None:
        """The frame is fully accounted for: its result or its reject was acknowledged."""
        with self._lock:
            progress = self._partitions.get(Partition(position.topic, position.partition))
            if progress is not None:
                progress.open.pop(position.offset, None)

    def committable(self, partitions: Collection[Partition] | None = None) -> dict[Partition, int]:
        """The next offset of each partition that has moved since its last commit. It never passes an open frame."""
        with self._lock:
            found: dict[Partition, int] = {}
            for partition in self._partitions if partitions is None else partitions:
                progress = self._partitions.get(partition, _Progress())
                offset = progress.committable
                if offset is not None and offset != progress.committed:
                    found[partition] = offset
            return found

    def committed(self, offsets: dict[Partition, int]) -> None:
        """Kafka has these offsets."""
        with self._lock:
            for partition, offset in offsets.items():
                if partition in self._partitions:
                    self._partitions[partition].committed = offset

    def open_frames(self, partitions: Collection[Partition] | None = None) -> int:
        with self._lock:
            chosen = self._partitions if partitions is None else partitions
            return sum(len(self._partitions[p].open) for p in chosen if p in self._partitions)

    def next_offsets(self) -> dict[Partition, int]:
        """Where each partition stands, for its lag: the first frame that is not settled."""
        with self._lock:
            return {p: at for p, progress in self._partitions.items() if (at := progress.committable) is not None}
