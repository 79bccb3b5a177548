"""The ids of frames in summaries that nothing can correct any more: a repeat of one is no late frame."""

from collections import deque

from stripwatch.worker.common.digest_set import DigestSet

_FRAMES_MAX = 300_000
_SET_MAX = 10_000


class FinalFrames:
    """The newest of them: a worker that comes back after an hour repeats the last frames before its absence."""

    def __init__(self) -> None:
        self._sets = deque([DigestSet()])  # the last one grows

    def __contains__(self, frame_id: str) -> bool:
        return any(frame_id in ids for ids in self._sets)

    def add(self, frame_id: str) -> None:
        self._sets[-1].add(frame_id)
        if len(self._sets[-1]) >= _SET_MAX:
            self._sets.append(DigestSet())
        self._limit()

    def add_all(self, frame_ids: DigestSet) -> None:
        """Those of a part."""
        frame_ids.compact()
        self._sets.insert(len(self._sets) - 1, frame_ids)
        self._limit()

    def _limit(self) -> None:
        while len(self._sets) > 2 and sum(map(len, self._sets)) > _FRAMES_MAX:
            self._sets.popleft()
