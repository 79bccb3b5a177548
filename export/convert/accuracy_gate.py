"""Accuracy gate: configurable limits on how far an exported model may deviate from Keras on the validation frames."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.predicted_labels import Flags, macro_f1, predicted_labels
from stripwatch.export.runs.run_folder import Task
from stripwatch.worker.common.errors import ExportRejectedError
from stripwatch.worker.contracts.model.model_record import BoxFidelity, Fidelity, NoveltyFidelity
from stripwatch.worker.model.bundle import Precision

Scores = NDArray[np.float32]
_EPS = 1e-9


@dataclass(frozen=True, slots=True)
class GateLimits:
    """Limits of the accuracy gate.

    agreement_min: smallest share of frames with the same predicted labels as Keras, 0 to 1. score_difference_max:
    largest difference of any score, 0 to 1. accuracy_drop_max, f1_drop_max: largest loss, in percentage points.
    novelty_agreement_min: smallest share of frames that both or neither call novel, 0 to 1. false_alarm_rise_max:
    largest rise of the share of novel frames, in percentage points. These two have no effect without a novelty score.
    box_agreement_min: smallest share of frames with a defect whose best predicted box overlaps that of Keras by half or
    more, 0 to 1; without effect if the model predicts no boxes.
    """

    agreement_min: float
    score_difference_max: float
    accuracy_drop_max: float
    f1_drop_max: float
    novelty_agreement_min: float = 0.0
    false_alarm_rise_max: float = 100.0
    box_agreement_min: float = 0.0


class GateRejectedError(ExportRejectedError):
    """No candidate of a precision stayed within the limits.

    fidelity: measurement of the last candidate. reason: the limits that it violates.
    """

    def __init__(self, precision: Precision, fidelity: Fidelity, violations: list[str]) -> None:
        self.fidelity = fidelity
        self.reason = f"{fidelity.scheme}: {'; '.join(violations)}"
        super().__init__(
            f"--precision {precision} deviates too far from Keras; nothing was written. {self.reason}. Choose a higher "
            "precision or relax the limits"
        )


# float32 differs from Keras only by rounding. Half precision keeps 11 significant bits, which can change borderline
# frames but not clear ones. int8 changes scores visibly; half a point of accuracy is a fair price for its speed.
# Novelty: validation frames are known, so those above the threshold are false alarms, which a person must look at. With
# the usual rate of 1 %, one point more doubles that work; more would make the threshold meaningless.
# Boxes: where two cells are almost equally certain, rounding decides which of their boxes is the best one.
LIMITS: dict[Precision, GateLimits] = {
    "fp32": GateLimits(1.0, 5e-5, 0.0, 0.0, 1.0, 0.0, 0.99),
    "fp16": GateLimits(0.995, 0.2, 0.1, 0.1, 0.995, 0.5, 0.98),
    "int8": GateLimits(0.98, 0.5, 0.5, 0.5, 0.98, 1.0, 0.9),
}


def measure_fidelity(
    keras: Scores,
    candidate: Scores,
    targets: Flags,
    task: Task,
    scheme: str,
    novelty: NoveltyFidelity | None = None,
    boxes: BoxFidelity | None = None,
) -> Fidelity:
    """Compare the scores of a candidate with those of Keras and with the true labels.

    keras, candidate: float32 [n, labels]. targets: [n, labels]. scheme: description of the candidate. novelty:
    comparison of its novelty scores, if it has any. boxes: comparison of its predicted boxes, if it has any.
    """
    predicted, by_keras = predicted_labels(candidate, task), predicted_labels(keras, task)
    return Fidelity(
        frames=len(targets),
        agreement=float((predicted == by_keras).all(axis=1).mean()),
        score_difference=float(np.abs(candidate - keras).max()),
        accuracy=float((predicted == targets).all(axis=1).mean()),
        macro_f1=_macro_f1(targets, predicted),
        keras_accuracy=float((by_keras == targets).all(axis=1).mean()),
        keras_macro_f1=_macro_f1(targets, by_keras),
        scheme=scheme,
        novelty=novelty,
        boxes=boxes,
    )


def violated_limits(measured: Fidelity, limits: GateLimits) -> list[str]:
    """Return a text for each violated limit; an empty list if the candidate passes."""
    maxima = {
        "score difference": (measured.score_difference, limits.score_difference_max),
        "accuracy loss in percentage points": (
            100 * (measured.keras_accuracy - measured.accuracy),
            limits.accuracy_drop_max,
        ),
        "macro-F1 loss in percentage points": (100 * (measured.keras_macro_f1 - measured.macro_f1), limits.f1_drop_max),
    }
    novelty = measured.novelty
    if novelty is not None:
        rise = 100 * (novelty.share - novelty.keras_share)
        maxima["rise of novel validation frames in percentage points"] = rise, limits.false_alarm_rise_max
    violations = [
        f"{name} is {value:.3g}, the limit is {limit:g}"
        for name, (value, limit) in maxima.items()
        if not value <= limit + _EPS
    ]
    if measured.agreement < limits.agreement_min:
        violations.insert(
            0, f"agreement with Keras is {measured.agreement:.4f}, the minimum is {limits.agreement_min:g}"
        )
    if novelty is not None and novelty.agreement < limits.novelty_agreement_min:
        agreement, required = novelty.agreement, limits.novelty_agreement_min
        violations.append(f"agreement with Keras on novel frames is {agreement:.4f}, the minimum is {required:g}")
    boxes, required = measured.boxes, limits.box_agreement_min
    if boxes is not None and not boxes.agreement >= required:
        violations.append(
            f"agreement with Keras on predicted boxes is {boxes.agreement:.4f}, the minimum is {required:g}"
        )
    if novelty is not None and not math.isfinite(novelty.difference):
        violations.append("a novelty score is not a finite number")
    return violations


def _macro_f1(targets: Flags, predicted: Flags) -> float:
    """Return the macro-F1, or 1 if no frame has or is given a label, since nothing can be lost then."""
    return float(np.nan_to_num(macro_f1(targets, predicted)[0], nan=1.0))
