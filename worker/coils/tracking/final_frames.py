"""Ids of frames in final summaries, which can no longer be corrected. A repeat of one does not count as late."""

from collections import deque
from collections.abc import Iterable

from stripwatch.worker.coils.tracking.digest_set import DigestSet
from stripwatch.worker.coils.tracking.observations import Observation

_FRAMES_MAX = 300_000
_SET_MAX = 10_000


class FinalFrames:
    """The newest ids: a worker that returns after an hour repeats the last frames before its outage.

    Rejects are kept separately, because a rejected frame can still be replayed and inspected.
    """

    def __init__(self) -> None:
        self._settled, self._rejected = _RecentIds(), _RecentIds()

    def has(self, observation: Observation) -> bool:
        """Return whether the observation repeats one of these frames."""
        return observation.frame_id in self._settled or (
            observation.state == "rejected" and observation.frame_id in self._rejected
        )

    def replaces_reject(self, observation: Observation) -> bool:
        """Return whether the frame was inspected or skipped after it had been rejected. Only rejects are replayed."""
        if observation.state == "rejected":
            return False
        return observation.replay_of is not None or observation.frame_id in self._rejected

    def add(self, observation: Observation) -> None:
        ids = self._rejected if observation.state == "rejected" else self._settled
        ids.add(observation.frame_id)

    def add_all(self, frame_ids: DigestSet, rejected: Iterable[str]) -> None:
        """Add the frames of a part. rejected: those that are still rejects."""
        rejected = list(rejected)
        self._settled.update(frame_ids.without(rejected))
        for frame_id in rejected:
            self._rejected.add(frame_id)


class _RecentIds:
    """Ids in several sets. The oldest set is dropped when there are too many ids."""

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
