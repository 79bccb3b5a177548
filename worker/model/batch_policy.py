"""How large a batch becomes and how long it waits, by what was measured at warm-up and the time that is given.

A free device takes what is there at once: that is the shortest time for a frame, and under load the batches grow by
themselves, since frames gather while the device works. Two things are learned beyond that. What is there is split where
two runs are quicker than one (padded sizes, and devices on which batch 1 beats batch 8). And where `latency_ms_target`
leaves time, a batch waits for more frames if a fuller one costs less of the device for each.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from stripwatch.worker.model.session import WarmedBatch

_SLOWER_MAX = 1.2  # of all that waits, for the sake of the mean frame; in a backlog the best batch is taken anyway


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """linger_s_max = 0: a free device takes what is there."""

    frames_max: int
    linger_s_max: float


class BatchPolicy:
    """batches: as warmed up, smallest first. best_frames: beyond which no batch is worth while.

    padded: a batch costs what the next warmed size costs. linger_s: as the settings fix it, None where they do not.
    target_s: from a decoded frame to its scores; None: as short as can be.
    """

    def __init__(
        self,
        batches: Sequence[WarmedBatch],
        best_frames: int,
        padded: bool = False,
        linger_s: float | None = None,
        target_s: float | None = None,
    ) -> None:
        self._best_frames = best_frames
        self._linger_s = linger_s
        self._target_s = target_s
        self._run_s = [0.0] + [_run_s(batches, n, padded) for n in range(1, best_frames + 1)]
        self._first = _first_runs(self._run_s, [batch.frames for batch in batches])

    def limits(self, waiting: int, rate_fps: float) -> BatchLimits:
        """For the next batch. waiting: frames that are there, the first one included. rate_fps: at which more come."""
        linger_s = self._linger_s if self._linger_s is not None else self._spare_s(waiting, rate_fps)
        whole = linger_s > 0 or waiting >= self._best_frames  # in a backlog the frames a second count
        return BatchLimits(self._best_frames if whole else self._first[waiting], linger_s)

    def _spare_s(self, waiting: int, rate_fps: float) -> float:
        """What the target leaves beside a run in progress and the run itself; 0 where no frame would come."""
        if self._target_s is None or waiting >= self._best_frames:
            return 0.0
        spare_s = max(0.0, self._target_s - 2 * self._run_s[self._best_frames])
        return spare_s if spare_s * rate_fps >= 1 else 0.0


def _run_s(batches: Sequence[WarmedBatch], frames: int, padded: bool) -> float:
    """Seconds of a run of this many frames: as measured, padded to what was measured, or between its neighbours."""
    sizes = [batch.frames for batch in batches]
    at = min(bisect_left(sizes, frames), len(sizes) - 1)
    above_s = sizes[at] / batches[at].frames_per_second
    if padded or at == 0 or frames >= sizes[at]:
        return above_s
    below_s = sizes[at - 1] / batches[at - 1].frames_per_second
    return below_s + (above_s - below_s) * (frames - sizes[at - 1]) / (sizes[at] - sizes[at - 1])


def _first_runs(run_s: Sequence[float], sizes: Sequence[int]) -> list[int]:
    """For each number of frames that wait the first run: of those with which all are done nearly as soon as can be, the
    one with which the mean frame is done soonest.
    """
    soonest_s, mean_s, first = [0.0], [0.0], [0]  # mean_s: times the frames
    for waiting in range(1, len(run_s)):
        choices = {n for n in sizes if n < waiting} | {waiting}
        done_s = {n: run_s[n] + soonest_s[waiting - n] for n in choices}
        soonest_s.append(min(done_s.values()))
        of_mean_s = {
            n: run_s[n] * waiting + mean_s[waiting - n]
            for n in choices
            if done_s[n] <= soonest_s[waiting] * _SLOWER_MAX
        }
        first.append(min(of_mean_s, key=of_mean_s.__getitem__))
        mean_s.append(of_mean_s[first[waiting]])
    return first
