"""Schema of crossval.json: the results of a cross-validation."""

import msgspec

from stripwatch.export.results.novelty_results import NoveltyResults
from stripwatch.export.results.run_evaluation import Interval, Localization
from stripwatch.export.results.stress_results import StressResults
from stripwatch.worker.contracts.model.model_record import ClassFigures


class WrongFrame(msgspec.Struct, frozen=True):
    """A frame whose labels were not predicted. label, predicted: as in a manifest, "a|b" for two labels."""

    frame: str
    label: str
    predicted: str


class FoldResult(msgspec.Struct, frozen=True):
    """Result of one fold. run: its folder below that of the cross-validation. seconds: duration of the fit."""

    run: str
    frames: int
    errors: int
    accuracy: Interval
    seconds: float


class CrossvalResult(msgspec.Struct, frozen=True):
    """Content of crossval.json: results over all frames, each scored by the model that was not fitted on it.

    macro_f1: None if no frame has a label and none is predicted. fold_accuracy: accuracy of each fold. confusion: rows
    are true labels, columns are predicted labels; None in task multilabel. novelty: None if the runs have no novelty
    detector, and in files of earlier versions. stress: what the models withstand, each tested on frames that it was
    not fitted on, pooled over the folds; None if this was not measured.
    """

    frames: int
    errors: int
    accuracy: Interval
    macro_f1: Interval | None
    fold_accuracy: list[float]
    classes: dict[str, ClassFigures]
    localisation: dict[str, Localization] | None
    wrong: list[WrongFrame]
    runs: list[str]
    folds: list[FoldResult]
    confusion: list[list[int]] | None
    novelty: NoveltyResults | None = None
    stress: StressResults | None = None
