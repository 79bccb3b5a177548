"""Figures and thresholds of an anomaly model, whose threshold was chosen on clean training frames."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from stripwatch.export.results.operating_points import callable_labels, operating_point
from stripwatch.export.results.run_evaluation import AnomalyFigures, ChosenThreshold, KindFigures
from stripwatch.export.runs.run_folder import Run
from stripwatch.training.datasets.dataset import read_dataset
from stripwatch.training.evaluation.predictions import ScoredFrames
from stripwatch.training.evaluation.scores import Matrix
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.terminal.console import say

Kinds = tuple[str, ...]  # kinds of defects of a frame; empty if it is clean or its kinds are not known

_THRESHOLD = 0.5  # where the fit placed it


def read_kinds(run: Run, measured: ScoredFrames, layout: str) -> list[Kinds]:
    """Return the kinds of defects of each measured frame, [n], as the data folder names them.

    layout: of the folder of the frames. A defective frame that is not below this folder has none, and a note says so.
    """
    found = read_dataset(measured.root, layout, merge_labels=run.configuration.merge_labels, one_class=True)
    labels = {sample.name: sample.labels for sample in found.samples}
    defective = (measured.targets[:, 0] > 0).tolist()
    pairs = zip(measured.frames, defective, strict=True)
    kinds = [labels.get(frame.name, ()) if bad else () for frame, bad in pairs]
    unnamed = sum(bad and not each for each, bad in zip(kinds, defective, strict=True))
    if unnamed:
        where = path_text(measured.root)
        say(f"note: {unnamed} frames with defects are outside {where}, so the figures by kind omit them")
    return kinds


def measure_anomalies(targets: Matrix, scores: Matrix, kinds: Sequence[Kinds] | None = None) -> AnomalyFigures:
    """Return the figures of scored frames.

    targets, scores: [n, 2], of an anomaly and of clean. kinds: kinds of defects of each frame, [n].
    """
    defective, score = targets[:, 0] > 0, scores[:, 0]
    reported = scores[:, 0] >= scores[:, 1]
    count, clean = int(defective.sum()), int((~defective).sum())
    return AnomalyFigures(
        clean=clean,
        defective=count,
        auroc=float(roc_auc_score(defective, score)) if count and clean else None,
        average_precision=float(average_precision_score(defective, score)) if count else None,
        found=float(reported[defective].mean()) if count else None,
        false_alarms=float(reported[~defective].mean()) if clean else None,
        kinds=_by_kind(targets, scores, kinds or ()),
    )


def _by_kind(targets: Matrix, scores: Matrix, kinds: Sequence[Kinds]) -> dict[str, KindFigures] | None:
    """Return the figures of each kind of defect. A frame with several kinds counts for each of them."""
    clean, reported = targets[:, 0] == 0, scores[:, 0] >= scores[:, 1]
    figures = {}
    for kind in sorted({kind for each in kinds for kind in each}):
        of_kind = np.array([kind in each for each in kinds])
        both = of_kind | clean
        auroc = float(roc_auc_score(of_kind[both], scores[both, 0])) if clean.any() else None
        figures[kind] = KindFigures(int(of_kind.sum()), auroc, float(reported[of_kind].mean()))
    return figures or None


def fixed_thresholds(labels: Sequence[str], targets: Matrix, scores: Matrix) -> dict[str, ChosenThreshold]:
    """Return the thresholds of the model, 0.5 for both labels, with their figures on validation frames."""
    values, positive = scores.astype(float), targets > 0
    counts = callable_labels(values, "multiclass")
    points = [operating_point(_THRESHOLD, values[:, at], positive[:, at], counts[:, at]) for at in range(len(labels))]
    return {label: ChosenThreshold(point, point) for label, point in zip(labels, points, strict=True)}
