"""The ids of frames in summaries that nothing can correct any more. A repeat of one does not count as late."""

from collections import deque
from collections.abc import Iterable

from stripwatch.worker.coils.digest_set import DigestSet
from stripwatch.worker.coils.observations import Observation

_FRAMES_MAX = 300_000
_SET_MAX = 10_000


class FinalFrames:
    """The newest of them: a worker that comes back after an hour repeats the last frames before its absence.

    Rejects are kept apart, since a frame that was rejected can still be sent again and be inspected.
    """

    def __init__(self) -> None:
        self._settled, self._rejected = _RecentIds(), _RecentIds()

    def has(self, observation: Observation) -> bool:
        """Whether it is a repeat of one of them."""
        return observation.frame_id in self._settled or (
            observation.state == "rejected" and observation.frame_id in self._rejected
        )

    def replaces_reject(self, observation: Observation) -> bool:
        """Whether it was inspected or skipped after it had been rejected. Every replay is of a reject."""
        if observation.state == "rejected":
            return False
        return observation.replay_of is not None or observation.frame_id in self._rejected

    def add(self, observation: Observation) -> None:
        ids = self._rejected if observation.state == "rejected" else self._settled
        ids.add(observation.frame_id)

    def add_all(self, frame_ids: DigestSet, rejected: Iterable[str]) -> None:
        """Those of a part. rejected: which of them are rejects still."""
        rejected = list(rejected)
        self._settled.update(frame_ids.without(rejected))
        for frame_id in rejected:
            self._rejected.add(frame_id)


class _RecentIds:
    """In several sets, the oldest of which is dropped when they are too many."""

    def __init__(self) -> None:
        self._sets = deque([DigestSet()])  # the last one grows

    def __contains__(self, frame_id: str) -> bool:
        return any(frame_id in ids for ids in self._sets)

    def add(self, frame_id: str) -> None:
        self._sets[-1].add(frame_id)
        self._limit()

    def update(self, frame_ids: DigestSet) -> None:
        self._sets[-1].update(frame_ids)
        self._limit()

    def _limit(self) -> None:
        if len(self._sets[-1]) < _SET_MAX:
            return
        self._sets.append(DigestSet())
        while len(self._sets) > 2 and sum(map(len, self._sets)) > _FRAMES_MAX:
            self._sets.popleft()
