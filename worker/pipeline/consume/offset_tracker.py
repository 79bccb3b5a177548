"""Which frames are settled, and so up to where each partition may be committed.

A frame is opened when it comes in, claimed when its result may be published, and settled when it is fully accounted
for. Only the next frame of its partition can be claimed. So whatever comes late, twice, or from before a rebalance or a
fault is turned down, and results go out in order, however often a partition is read again.
"""

import itertools
import threading
from collections import OrderedDict, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from stripwatch.worker.contracts.positions import CommitPoint, Partition, Position


class AssignmentEpoch(NamedTuple):
    """One stretch of time in which a partition is held; commit_metadata: what each commit of that time carries."""

    number: int
    commit_metadata: str = ""


class Rest(NamedTuple):
    """What a partition has left: open_frames that came in and were not settled, and all from next_offset on."""

    next_offset: int
    open_frames: int


@dataclass(slots=True)
class _Progress:
    """One partition while it is held: its open frames in the order they came, and those not yet claimed.

    retired: its frames are finished, and their offsets never committed.
    """

    epoch: AssignmentEpoch
    open: OrderedDict[int, None] = field(default_factory=OrderedDict)
    unclaimed: deque[int] = field(default_factory=deque)
    next_offset: int | None = None
    committed: CommitPoint | None = None
    retired: bool = False

    @property
    def settled_offset(self) -> int | None:
        """The first frame that is not settled, or what follows the last one."""
        return next(iter(self.open), self.next_offset)

    @property
    def committable(self) -> CommitPoint | None:
        offset = self.settled_offset
        return None if offset is None or self.retired else CommitPoint(offset, self.epoch.commit_metadata)


class OffsetTracker:
    """Every frame between Kafka and its settlement. Any thread may call; no call waits for the network.

    Only partitions that were given to it are counted: a frame of any other belongs to another worker by now, or is read
    again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._partitions: dict[Partition, _Progress] = {}
        self._suspended_rests: dict[Partition, Rest] = {}  # until the partition is assigned again, or forgotten
        self._epochs = itertools.count(1)
        self._revocations = 0
        self._suspended = False

    @property
    def suspended(self) -> bool:
        """Between `suspend` and `resume`: nothing can be taken in, claimed or committed."""
        return self._suspended

    def suspend(self) -> None:
        """Results cannot be delivered: forget all frames. They are read again from what Kafka has committed."""
        with self._lock:
            self._suspended = True
            self._revocations += 1
            self._suspended_rests |= _rests(self._partitions)
            self._partitions.clear()

    def resume(self) -> None:
        """Results can be delivered again. Every partition has yet to be assigned again."""
        self._suspended = False

    @property
    def revocations(self) -> int:
        """How often partitions were forgotten: what was found out about one before may no longer be so."""
        return self._revocations

    def assign(
        self,
        partitions: Collection[Partition],
        losses: int | None = None,
        start: CommitPoint | None = None,
    ) -> None:
        """Count these from now on: they are read from what Kafka has committed.

        losses: as they were before Kafka was asked; after another one nothing is assigned, and Kafka is asked again.
        start: where reading starts, and what each commit carries.
        """
        with self._lock:
            if not self._suspended and losses in (None, self._revocations):
                for partition in partitions:
                    epoch = AssignmentEpoch(next(self._epochs), start.metadata if start else "")
                    progress = _Progress(epoch, next_offset=start.offset if start else None)
                    self._partitions.setdefault(partition, progress)
                    self._suspended_rests.pop(partition, None)

    def retire(self) -> None:
        """Finish what is in flight, and commit none of it: its offsets mean nothing any more."""
        with self._lock:
            for progress in self._partitions.values():
                progress.retired = True

    def is_retired(self, partition: Partition) -> bool:
        with self._lock:
            return partition in self._partitions and self._partitions[partition].retired

    def forget(self, partitions: Collection[Partition]) -> None:
        self.abandon(partitions)

    def abandon(self, partitions: Collection[Partition] | None = None) -> dict[Partition, Rest]:
        """Forget these, or all that there are, also those that were suspended: what was left in each."""
        with self._lock:
            self._revocations += 1
            rests = self._suspended_rests | _rests(self._partitions)
            chosen = [*rests, *self._partitions] if partitions is None else partitions
            for partition in chosen:
                self._partitions.pop(partition, None)
                self._suspended_rests.pop(partition, None)
            return {partition: rests[partition] for partition in chosen if partition in rests}

    def partitions(self) -> list[Partition]:
        with self._lock:
            return list(self._partitions)

    def register(self, position: Position) -> bool:
        """Take a frame in. False: its partition is not ours, or not yet in its place, so the frame is read again."""
        with self._lock:
            progress = self._partitions.get(Partition(position.topic, position.partition))
            if progress is None:
                return False
            progress.open[position.offset] = None
            progress.unclaimed.append(position.offset)
            progress.next_offset = position.next_offset
            return True

    def claim(self, position: Position) -> AssignmentEpoch | None:
        """Take a frame for publishing: the assignment epoch under which its partition is held.

        None: it is not the next of its partition, or that is not ours: another copy of it comes, or came.
        """
        with self._lock:
            progress = self._partitions.get(Partition(position.topic, position.partition))
            if progress is None or not progress.unclaimed or progress.unclaimed[0] != position.offset:
                return None
            progress.unclaimed.popleft()
            return progress.epoch

    def holds(self, epochs: Mapping[Partition, AssignmentEpoch]) -> bool:
        """Whether each partition has been held without a break since it was claimed from."""
        with self._lock:
            return all(p in self._partitions and self._partitions[p].epoch == n for p, n in epochs.items())

    def complete(self, position: Position) -> None:
        """The frame is fully accounted for: its result or its reject was acknowledged."""
        with self._lock:
            progress = self._partitions.get(Partition(position.topic, position.partition))
            if progress is not None:
                progress.open.pop(position.offset, None)

    def committable(self, partitions: Collection[Partition] | None = None) -> dict[Partition, CommitPoint]:
        """The next offset of each partition that has moved since its last commit. It never passes an open frame."""
        with self._lock:
            found: dict[Partition, CommitPoint] = {}
            for partition in self._partitions if partitions is None else partitions:
                progress = self._partitions.get(partition)
                point = progress.committable if progress else None
                if progress and point and point != progress.committed:
                    found[partition] = point
            return found

    def committed(self, points: Mapping[Partition, CommitPoint]) -> None:
        """Kafka has these."""
        with self._lock:
            for partition, point in points.items():
                if partition in self._partitions:
                    self._partitions[partition].committed = point

    def open_frames(self, partitions: Collection[Partition] | None = None) -> int:
        with self._lock:
            chosen = self._partitions if partitions is None else partitions
            return sum(len(self._partitions[p].open) for p in chosen if p in self._partitions)

    def next_offsets(self, partitions: Collection[Partition] | None = None) -> dict[Partition, int]:
        """Where each partition stands, for its lag: the first frame that is not settled."""
        with self._lock:
            held = self._partitions.items()
            chosen = {p: progress for p, progress in held if partitions is None or p in partitions}
            return {p: at for p, progress in chosen.items() if (at := progress.settled_offset) is not None}


def _rests(partitions: Mapping[Partition, _Progress]) -> dict[Partition, Rest]:
    return {
        partition: Rest(progress.next_offset, len(progress.open))
        for partition, progress in partitions.items()
        if progress.next_offset is not None
    }
