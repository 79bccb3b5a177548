"""Figures and thresholds of an anomaly model, whose threshold was chosen on clean training frames."""

from collections.abc import Sequence

from sklearn.metrics import average_precision_score, roc_auc_score

from stripwatch.export.runs.operating_points import callable_labels, operating_point
from stripwatch.export.runs.run_evaluation import AnomalyFigures, ChosenThreshold
from stripwatch.training.evaluation.scores import Matrix

_THRESHOLD = 0.5  # where the fit placed it


def measure_anomalies(targets: Matrix, scores: Matrix) -> AnomalyFigures:
    """Return the figures of scored frames. targets, scores: [n, 2], of an anomaly and of clean."""
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
    )


def fixed_thresholds(labels: Sequence[str], targets: Matrix, scores: Matrix) -> dict[str, ChosenThreshold]:
    """Return the thresholds of the model, 0.5 for both labels, with their figures on validation frames."""
    values, positive = scores.astype(float), targets > 0
    counts = callable_labels(values, "multiclass")
    points = [operating_point(_THRESHOLD, values[:, at], positive[:, at], counts[:, at]) for at in range(len(labels))]
    return {label: ChosenThreshold(point, point) for label, point in zip(labels, points, strict=True)}
