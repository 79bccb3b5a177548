"""Leave-one-class-out: what a novelty detector finds of a class that nothing was fitted on or chosen with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.run_folder import SplitFrame
from stripwatch.training.novelty.judged_frames import Floats, JudgedFrames, LeftOut

Rows = NDArray[np.intp]


class FittedNovelty(Protocol):
    """A classifier with a novelty detector, fitted on some of the frames."""

    @property
    def threshold(self) -> float:
        """Novelty score above which a frame is novel."""

    def judge(self, rows: Rows) -> tuple[Floats, Floats]:
        """Return the scores of frames, [n, labels], and their novelty scores, [n]. rows: positions of the frames."""


# Fits classifier, detector and threshold on the frames at these positions with the labels at these positions; returns
# None if the frames are too few.
FitNovelty = Callable[[Rows, Rows], FittedNovelty | None]


@dataclass(frozen=True, slots=True)
class KnownFrames:
    """The frames of a run.

    frames: [n]. targets: float32 [n, labels], 0 and 1. train: positions of the frames that the run was fitted on. held:
    positions of those it was not fitted on.
    """

    labels: Sequence[str]
    frames: Sequence[SplitFrame]
    targets: NDArray[np.float32]
    train: Rows
    held: Rows


def leave_each_out(
    known: KnownFrames, fit: FitNovelty, held_only: bool, advance: Callable[[], object] = lambda: None
) -> dict[str, LeftOut]:
    """Leave out each class in turn, fit on the training frames of the others, and judge what was left out.

    A frame of several labels is left out with each of them, because a model must not have seen any part of it.
    held_only: judge only the held-out frames of the class, so that over several folds each frame is judged once; else
    also its training frames, which nothing was fitted on either. advance: called after each class. A class is missing
    in the result if the frames of the others are too few for a detector.
    """
    found = {}
    for at, label in enumerate(known.labels):
        result = _leave_out(known, at, fit, held_only)
        if result is not None:
            found[label] = result
        advance()
    return found


def _leave_out(known: KnownFrames, at: int, fit: FitNovelty, held_only: bool) -> LeftOut | None:
    train, held = _without(known, known.train, at), _without(known, known.held, at)
    left = known.held if held_only else np.concatenate([known.train, known.held])
    unknown = left[known.targets[left, at] > 0]
    labels = _labels_of(known, train)
    fitted = fit(train, labels)
    if fitted is None:
        return None
    names = [known.labels[each] for each in labels]
    return LeftOut(_judge(known, fitted, unknown, names), _judge(known, fitted, held, names), [fitted.threshold])


def _judge(known: KnownFrames, fitted: FittedNovelty, rows: Rows, labels: Sequence[str]) -> JudgedFrames:
    if not len(rows):
        return JudgedFrames.of([], np.zeros(0, np.float32), 0.0, np.zeros((0, len(labels)), np.float32), labels)
    scores, novelty = fitted.judge(rows)
    return JudgedFrames.of([known.frames[at] for at in rows], novelty, fitted.threshold, scores, labels)


def _without(known: KnownFrames, rows: Rows, at: int) -> Rows:
    """Return the frames among these that do not have a label."""
    return np.asarray(rows[known.targets[rows, at] == 0])


def _labels_of(known: KnownFrames, rows: Rows) -> Rows:
    """Return the labels that occur in these frames."""
    return np.flatnonzero(known.targets[rows].any(axis=0))
