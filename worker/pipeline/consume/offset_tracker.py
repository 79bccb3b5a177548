"""Tracks which frames are settled and, from that, the offset up to which each partition may be committed.

A frame is registered when it is read, claimed when its result may be published, and completed when its result or reject
was acknowledged. Only the next frame of a partition can be claimed. A frame that arrives late, twice, or from before a
rebalance or a fault is refused. Results are therefore published in order, however often a partition is read again.
"""

import itertools
import threading
from collections import OrderedDict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from stripwatch.worker.contracts.positions import CommitPoint, Partition, Position


class AssignmentEpoch(NamedTuple):
    """A period in which a partition is continuously assigned to this worker.

    commit_metadata: stored with each commit of this period.
    """

    number: int
    commit_metadata: str = ""


class Remainder(NamedTuple):
    """The unfinished part of a partition: open_frames read but not settled, and all frames from next_offset on."""

    next_offset: int
    open_frames: int


@dataclass(slots=True)
class _Progress:
    """State of one assigned partition: its open frames in order, and those that are not claimed.

    retired: its frames are finished, but their offsets are never committed.
    """

    epoch: AssignmentEpoch
    open: OrderedDict[int, None] = field(default_factory=OrderedDict)
    unclaimed: deque[int] = field(default_factory=deque)
    next_offset: int | None = None
    committed: CommitPoint | None = None
    retired: bool = False

    @property
    def settled_offset(self) -> int | None:
        """The offset of the first frame that is not settled, or the next offset to read if all are."""
        return next(iter(self.open), self.next_offset)

    @property
    def committable(self) -> CommitPoint | None:
        offset = self.settled_offset
        return None if offset is None or self.retired else CommitPoint(offset, self.epoch.commit_metadata)


class OffsetTracker:
    """Tracks every frame from Kafka until it is settled. Thread-safe; no call waits for the network.

    Only assigned partitions are tracked. A frame of any other partition belongs to another worker or is read again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._partitions: dict[Partition, _Progress] = {}
        # Until the partition is assigned again or forgotten
        self._suspended_remainders: dict[Partition, Remainder] = {}
        self._epochs = itertools.count(1)
        self._revocations = 0
        self._suspended = False

    @property
    def suspended(self) -> bool:
        """True between `suspend` and `resume`, while no frame can be registered, claimed or committed."""
        return self._suspended

    def suspend(self) -> None:
        """Forget all frames because results cannot be delivered. They are read again from the committed offsets."""
        with self._lock:
            self._suspended = True
            self._revocations += 1
            self._suspended_remainders |= _remainders(self._partitions)
            self._partitions.clear()

    def resume(self) -> None:
        """Continue after `suspend`. Every partition must be assigned again."""
        self._suspended = False

    @property
    def revocations(self) -> int:
        """How often partitions were forgotten.

        A change means that earlier answers from Kafka about positions may be outdated.
        """
        return self._revocations

    def assign(
        self,
        partitions: Collection[Partition],
        revocations: int | None = None,
        start: CommitPoint | None = None,
    ) -> None:
        """Track these partitions from now on. They are read from the committed offsets.

        revocations: the property of that name before Kafka was asked for the positions; if it has changed since,
        nothing is assigned and the caller asks again. start: where reading starts, and the metadata of each commit.
        """
        with self._lock:
            if not self._suspended and revocations in (None, self._revocations):
                for partition in partitions:
                    epoch = AssignmentEpoch(next(self._epochs), start.metadata if start else "")
                    progress = _Progress(epoch, next_offset=start.offset if start else None)
                    self._partitions.setdefault(partition, progress)
                    self._suspended_remainders.pop(partition, None)

    def retire(self) -> None:
        """Let the frames in flight finish without committing their offsets.

        The offsets have no meaning in the recreated topic.
        """
        with self._lock:
            for progress in self._partitions.values():
                progress.retired = True

    def is_retired(self, partition: Partition) -> bool:
        with self._lock:
            return partition in self._partitions and self._partitions[partition].retired

    def forget(self, partitions: Collection[Partition]) -> None:
        self.abandon(partitions)

    def abandon(self, partitions: Collection[Partition] | None = None) -> dict[Partition, Remainder]:
        """Forget the given partitions, or all, including suspended ones. Return what was unfinished in each."""
        with self._lock:
            self._revocations += 1
            remainders = self._suspended_remainders | _remainders(self._partitions)
            chosen = [*remainders, *self._partitions] if partitions is None else partitions
            for partition in chosen:
                self._partitions.pop(partition, None)
                self._suspended_remainders.pop(partition, None)
            return {partition: remainders[partition] for partition in chosen if partition in remainders}

    def partitions(self) -> list[Partition]:
        with self._lock:
            return list(self._partitions)

    def register(self, position: Position) -> bool:
        """Register a frame.

        Return False if its partition is not assigned or has no start position; the frame is read again.
        """
        with self._lock:
            progress = self._partitions.get(Partition(position.topic, position.partition))
            if progress is None:
                return False
            progress.open[position.offset] = None
            progress.unclaimed.append(position.offset)
            progress.next_offset = position.next_offset
            return True

    def claim(self, position: Position) -> AssignmentEpoch | None:
        """Claim a frame for publishing. Return the assignment epoch of its partition.

        Return None if the frame is not the next one of its partition or the partition is not assigned. Another copy of
        the frame was or will be published.
        """
        with self._lock:
            progress = self._partitions.get(Partition(position.topic, position.partition))
            if progress is None or not progress.unclaimed or progress.unclaimed[0] != position.offset:
                return None
            progress.unclaimed.popleft()
            return progress.epoch

    def holds(self, epochs: Mapping[Partition, AssignmentEpoch]) -> bool:
        """Return whether each partition has stayed assigned without interruption since its frames were claimed."""
        with self._lock:
            return all(p in self._partitions and self._partitions[p].epoch == n for p, n in epochs.items())

    def complete(self, position: Position) -> None:
        """Mark a frame as settled, because its result or its reject was acknowledged."""
        with self._lock:
            progress = self._partitions.get(Partition(position.topic, position.partition))
            if progress is not None:
                progress.open.pop(position.offset, None)

    def committable(self, partitions: Collection[Partition] | None = None) -> dict[Partition, CommitPoint]:
        """Return the next offset of each partition that has progressed since its last commit.

        It never passes an open frame.
        """
        with self._lock:
            found: dict[Partition, CommitPoint] = {}
            for partition in self._partitions if partitions is None else partitions:
                progress = self._partitions.get(partition)
                point = progress.committable if progress else None
                if progress and point and point != progress.committed:
                    found[partition] = point
            return found

    def committed(self, points: Mapping[Partition, CommitPoint]) -> None:
        """Record that Kafka has accepted these commits."""
        with self._lock:
            for partition, point in points.items():
                if partition in self._partitions:
                    self._partitions[partition].committed = point

    def open_frames(self, partitions: Collection[Partition] | None = None) -> int:
        with self._lock:
            chosen = self._partitions if partitions is None else partitions
            return sum(len(self._partitions[p].open) for p in chosen if p in self._partitions)

    def next_offsets(self, partitions: Collection[Partition] | None = None) -> dict[Partition, int]:
        """Return the offset of the first frame of each partition that is not settled, for the lag."""
        with self._lock:
            held = self._partitions.items()
            chosen = {p: progress for p, progress in held if partitions is None or p in partitions}
            return {p: at for p, progress in chosen.items() if (at := progress.settled_offset) is not None}


def _remainders(partitions: Mapping[Partition, _Progress]) -> dict[Partition, Remainder]:
    return {
        partition: Remainder(progress.next_offset, len(progress.open))
        for partition, progress in partitions.items()
        if progress.next_offset is not None
    }
