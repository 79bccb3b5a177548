"""Fits of classifier and novelty detector on part of the frames of a run, with the run's rules."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stripwatch.export.runs.relative_distance import Array
from stripwatch.export.runs.run_folder import Task
from stripwatch.training.novelty.components import ChangedFrames
from stripwatch.training.novelty.detector import NoveltyFit, fit_detector
from stripwatch.training.novelty.leave_one_out import Rows
from stripwatch.training.novelty.linear_head import LinearHead
from stripwatch.training.novelty.run_features import RunFeatures
from stripwatch.training.novelty.taps import Taps


@dataclass(frozen=True, slots=True)
class RefitSettings:
    """What a fit on part of the frames needs.

    features: of all frames, [n]. targets: [n, labels]. groups: group number of each frame, [n]. false_alarm_rate, seed:
    of the run. changed: copies of all frames, if the detector of the run learned from copies.
    """

    taps: Taps
    features: RunFeatures
    targets: Array
    groups: Sequence[int]
    task: Task
    false_alarm_rate: float
    seed: int
    changed: ChangedFrames | None = None


@dataclass(frozen=True, slots=True)
class Refitted:
    """A classifier and a detector. labels: number of labels."""

    features: RunFeatures
    labels: int
    head: LinearHead
    novelty: NoveltyFit

    @property
    def threshold(self) -> float:
        """Novelty score above which a frame is novel."""
        return self.novelty.threshold

    def judge(self, rows: Rows) -> tuple[Array, Array]:
        """Return scores, [n, labels], and novelty scores, [n], of the frames at these positions."""
        found = self.features.at(rows)
        return self.head.scores(found.head, self.labels), self.novelty.detector.score(found.taps)


def refit(settings: RefitSettings, rows: Rows, labels: Rows) -> Refitted | None:
    """Fit a linear classifier, a detector and its threshold on some frames.

    rows: positions of the frames. labels: positions of the labels that they have. Returns None if the frames are too
    few for a detector.
    """
    known, targets = settings.features.at(rows), settings.targets[np.ix_(rows, labels)]
    groups = [settings.groups[at] for at in rows.tolist()]
    rate, seed = settings.false_alarm_rate, settings.seed
    changed = None if settings.changed is None else settings.changed.at(rows)
    novelty = fit_detector(settings.taps, known.taps, targets, groups, rate, seed, changed)
    if novelty is None:
        return None
    head = LinearHead.fit(known.head, targets, settings.task, seed)
    return Refitted(settings.features, len(labels), head, novelty)
