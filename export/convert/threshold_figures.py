"""What the thresholds of a bundle mean for its own file, whose scores differ from those of Keras that chose them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.operating_points import callable_labels, precision_recall
from stripwatch.export.runs.run_evaluation import Evaluation
from stripwatch.worker.model.bundle import Manifest, ThresholdFigures
from stripwatch.worker.model.verdict import Decision

_PRECISION_LOSS_MAX = 0.01


def measure_thresholds(
    manifest: Manifest, decisions: Sequence[Decision], targets: NDArray[np.bool_]
) -> dict[str, ThresholdFigures]:
    """Precision and recall at each threshold. decisions: of the file, on frames with the labels `targets`."""
    scores = np.array([decision.scores for decision in decisions], np.float64)
    counts = callable_labels(scores, manifest.task)

    def at(value: float, label: int) -> tuple[float, float]:
        return precision_recall(value, scores[:, label], targets[:, label], counts[:, label])

    return {
        name: ThresholdFigures(*at(manifest.thresholds[name].sure, label), *at(manifest.thresholds[name].unsure, label))
        for label, name in enumerate(manifest.labels)
    }


def lost_precision(found: dict[str, ThresholdFigures], evaluation: Evaluation) -> list[str]:
    """Sentences for the labels whose precision at `sure` is more than a point below what the evaluation states."""
    stated = {label: chosen.sure.precision for label, chosen in evaluation.thresholds.items()}
    return [
        f"warning: at `sure` of {label!r} this file has a precision of {figures.sure_precision:.4f} on the validation "
        f"frames; Keras has {stated[label]:.4f}, so set thresholds.{label}.sure or export with more precision"
        for label, figures in found.items()
        if figures.sure_precision < stated[label] - _PRECISION_LOSS_MAX
    ]
