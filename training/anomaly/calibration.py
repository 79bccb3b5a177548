"""Calibration of an anomaly model: from distances to scores whose threshold is 0.5."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Distances = NDArray[np.float32]
ThresholdRule = Callable[[Distances, float], tuple[float, bool]]
_TOP_SHARE = 0.03
_MEDIAN_SCORE = 0.05  # score of the median clean frame
_STEEPNESS_MIN, _STEEPNESS_MAX = 1.0, 20.0
_DISTANCE_MIN = 1e-6  # frames without any texture can all have the distance 0, which scores divide by


@dataclass(frozen=True, slots=True)
class Calibration:
    """Parameters of the scores.

    frame, place: thresholds of the distance of a frame, and of the local distance of a place. steepness: of the score
    of a frame. top: number of places that the distance of a frame is the mean of. limited: the frames are too few for
    the false-alarm rate, so that the threshold is the largest distance among them. frames: number of frames.
    """

    frame: float
    place: float
    steepness: float
    top: int
    limited: bool
    frames: int


def top_places(cells: tuple[int, int]) -> int:
    """Return how many of the most distant places make the distance of a frame. cells: height and width of the grid.

    It is 3 % of the places of a square as high as the shorter side, because the length of a strip that a frame shows
    does not make its defects larger.
    """
    return max(1, round(_TOP_SHARE * min(cells) ** 2))


def frame_distances(places: Distances, top: int) -> Distances:
    """Return the distance of each frame, [n]: the mean of its most distant places. places: [n, h, w]."""
    flat = np.sort(places.reshape(len(places), -1), axis=1)
    return np.asarray(flat[:, -top:].mean(axis=1), np.float32)


def calibrate(
    frames: Distances, highest: Distances, top: int, false_alarm_rate: float, choose: ThresholdRule
) -> Calibration:
    """Choose thresholds and steepness on clean frames, scored by distributions that have not seen them.

    A share of at most false_alarm_rate of clean frames exceeds each threshold.

    Args:
        frames: Distance of each frame, [n].
        highest: Largest local distance of a place of each frame, [n].
        top: Number of places that the distance of a frame is the mean of.
        false_alarm_rate: Greater than 0 and less than 0.5.
        choose: Returns the threshold of distances for a false-alarm rate, and whether they are too few for it.
    """
    threshold, limited = choose(frames, false_alarm_rate)
    place, _ = choose(highest, false_alarm_rate)
    threshold, place = max(threshold, _DISTANCE_MIN), max(place, _DISTANCE_MIN)
    spread = math.log(max(threshold / max(float(np.median(frames)), _DISTANCE_MIN), 1 + 1e-6))
    steepness = math.log(1 / _MEDIAN_SCORE - 1) / spread
    steepness = min(max(steepness, _STEEPNESS_MIN), _STEEPNESS_MAX)
    return Calibration(threshold, place, steepness, top, limited, len(frames))
