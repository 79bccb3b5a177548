"""Batch size and linger time, chosen from the speeds measured at warm-up and the latency target.

An idle device takes all waiting frames at once. This gives the lowest latency, and under load batches grow
automatically, because frames accumulate while the device is busy. There are two refinements. Waiting frames are split
into two runs if that is faster than one (padded sizes, and devices on which batch 1 beats batch 8). And if
`latency_ms_target` leaves time, a batch waits for more frames, because fuller batches cost less device time per frame.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from stripwatch.worker.model.session import WarmedBatch

_SLOWER_MAX = 1.2  # accepted slowdown of the last frame in favour of the mean; a backlog always uses the best size


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Maximum size of the next batch, and how long to wait for it. linger_s_max = 0: run the waiting frames at once."""

    frames_max: int
    linger_s_max: float


class BatchPolicy:
    """Chooses the limits of each batch.

    Args:
        batches: Measurements of the warm-up, smallest size first.
        best_frames: Batch size above which throughput does not improve.
        padded: Batches are padded to the next warmed-up size and take as long as that.
        linger_s: Linger time from the settings; None to derive it from the target.
        target_s: Target latency from a decoded frame to its scores; None for the lowest possible latency.
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
        """Return the limits of the next batch.

        waiting: Number of waiting frames, including the first one. rate_fps: Arrival rate of frames.
        """
        linger_s = self._linger_s if self._linger_s is not None else self._spare_s(waiting, rate_fps)
        whole = linger_s > 0 or waiting >= self._best_frames  # in a backlog, throughput matters
        return BatchLimits(self._best_frames if whole else self._first[waiting], linger_s)

    def _spare_s(self, waiting: int, rate_fps: float) -> float:
        """Return the time left by the target after a run in progress and the next run; 0 if no frame would arrive."""
        if self._target_s is None or waiting >= self._best_frames:
            return 0.0
        spare_s = max(0.0, self._target_s - 2 * self._run_s[self._best_frames])
        return spare_s if spare_s * rate_fps >= 1 else 0.0


def _run_s(batches: Sequence[WarmedBatch], frames: int, padded: bool) -> float:
    """Return the seconds of a run: measured, those of the padded size, or interpolated between measured sizes."""
    sizes = [batch.frames for batch in batches]
    at = min(bisect_left(sizes, frames), len(sizes) - 1)
    above_s = sizes[at] / batches[at].frames_per_second
    if padded or at == 0 or frames >= sizes[at]:
        return above_s
    below_s = sizes[at - 1] / batches[at - 1].frames_per_second
    return below_s + (above_s - below_s) * (frames - sizes[at - 1]) / (sizes[at] - sizes[at - 1])


def _first_runs(run_s: Sequence[float], sizes: Sequence[int]) -> list[int]:
    """Return the size of the first run for each number of waiting frames.

    Of the sizes with which all frames finish nearly as early as possible, it is the one with the lowest mean time.
    """
    soonest_s, mean_s, first = [0.0], [0.0], [0]  # mean_s: mean multiplied by the number of frames
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
