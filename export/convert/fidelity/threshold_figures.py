"""Precision and recall of a bundle at its thresholds, which were chosen with the slightly different Keras scores."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.results.operating_points import callable_labels, precision_recall
from stripwatch.export.results.run_evaluation import Evaluation
from stripwatch.worker.contracts.model.model_record import ThresholdFigures
from stripwatch.worker.model.bundle import Manifest
from stripwatch.worker.model.verdict import Decision

_PRECISION_LOSS_MAX = 0.01


def measure_thresholds(
    manifest: Manifest, decisions: Sequence[Decision], targets: NDArray[np.bool_]
) -> dict[str, ThresholdFigures]:
    """Return precision and recall of the bundle at each threshold, by label.

    decisions: those of the exported model, in the order of targets. targets: true labels, [n, labels].
    """
    scores = np.array([decision.scores for decision in decisions], np.float64)
    counts = callable_labels(scores, manifest.task)

    def at(value: float, label: int) -> tuple[float, float]:
        return precision_recall(value, scores[:, label], targets[:, label], counts[:, label])

    return {
        name: ThresholdFigures(*at(manifest.thresholds[name].sure, label), *at(manifest.thresholds[name].unsure, label))
        for label, name in enumerate(manifest.labels)
    }


def lost_precision(measured: dict[str, ThresholdFigures], evaluation: Evaluation) -> list[str]:
    """Return a warning for each label whose precision at `sure` is over one percentage point below the evaluation's."""
    stated = {label: chosen.sure.precision for label, chosen in evaluation.thresholds.items()}
    return [
        f"warning: label {label!r}: precision at the threshold `sure` is {figures.sure_precision:.4f} on the "
        f"validation frames, with Keras it was {stated[label]:.4f}; set thresholds.{label}.sure in the worker settings "
        "or export with a higher --precision"
        for label, figures in measured.items()
        if figures.sure_precision < stated[label] - _PRECISION_LOSS_MAX
    ]
