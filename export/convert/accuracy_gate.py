"""May this file stand in for the Keras model? Answered on every validation frame, with limits that a person can set."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.predicted_labels import Flags, macro_f1, predicted_labels
from stripwatch.export.runs.run_folder import Task
from stripwatch.worker.common.errors import ExportRejectedError
from stripwatch.worker.model.bundle import Fidelity, Precision

Scores = NDArray[np.float32]
_EPS = 1e-9


@dataclass(frozen=True, slots=True)
class GateLimits:
    """agreement_min: share of frames with the same answer. Drops are in points: per cent of frames, or of macro-F1."""

    agreement_min: float
    score_difference_max: float
    accuracy_drop_max: float
    f1_drop_max: float


class GateRejectedError(ExportRejectedError):
    """No candidate of a precision stayed within the limits. fidelity, reason: of the last one, and what it lacks."""

    def __init__(self, precision: Precision, fidelity: Fidelity, over: list[str]) -> None:
        self.fidelity = fidelity
        self.reason = f"{fidelity.scheme}: {'; '.join(over)}"
        super().__init__(f"--precision {precision} loses too much, and nothing was written. {self.reason}")


# float32 computes the same, but for rounding. Half precision keeps 11 bits: a frame on the edge between two labels
# moves, a clear one does not. Eight bits move scores visibly; half a point of accuracy is a fair price for speed.
LIMITS: dict[Precision, GateLimits] = {
    "fp32": GateLimits(1.0, 5e-5, 0.0, 0.0),
    "fp16": GateLimits(0.995, 0.2, 0.1, 0.1),
    "int8": GateLimits(0.98, 0.5, 0.5, 0.5),
}


def measure_fidelity(keras: Scores, found: Scores, targets: Flags, task: Task, scheme: str) -> Fidelity:
    """Scores of both, [n, labels], and the truth."""
    predicted, by_keras = predicted_labels(found, task), predicted_labels(keras, task)
    return Fidelity(
        frames=len(targets),
        agreement=float((predicted == by_keras).all(axis=1).mean()),
        score_difference=float(np.abs(found - keras).max()),
        accuracy=float((predicted == targets).all(axis=1).mean()),
        macro_f1=_macro_f1(targets, predicted),
        keras_accuracy=float((by_keras == targets).all(axis=1).mean()),
        keras_macro_f1=_macro_f1(targets, by_keras),
        scheme=scheme,
    )


def violated_limits(found: Fidelity, limits: GateLimits) -> list[str]:
    """Each limit that does not hold, with by how much; none: the file may be used."""
    most = {
        "a score differs by": (found.score_difference, limits.score_difference_max),
        "points of accuracy lost:": (100 * (found.keras_accuracy - found.accuracy), limits.accuracy_drop_max),
        "points of macro-F1 lost:": (100 * (found.keras_macro_f1 - found.macro_f1), limits.f1_drop_max),
    }
    over = [
        f"{what} {value:.3g}, at most {limit:g}" for what, (value, limit) in most.items() if not value <= limit + _EPS
    ]
    if found.agreement < limits.agreement_min:
        over.insert(0, f"agreement is {found.agreement:.4f}, at least {limits.agreement_min:g}")
    return over


def _macro_f1(targets: Flags, predicted: Flags) -> float:
    """1 without a label, true or predicted: then nothing can be lost."""
    return float(np.nan_to_num(macro_f1(targets, predicted)[0], nan=1.0))
