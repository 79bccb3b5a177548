"""Schema of evaluation.json in a run folder: the accuracy of the model, and the thresholds for its bundle."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from stripwatch.export.results.novelty_results import NoveltyResults
from stripwatch.export.results.stress_results import StressResults
from stripwatch.export.runs.files import atomic_write, read_whole
from stripwatch.export.runs.run_folder import Run
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.terminal.file_counts import FileCounts
from stripwatch.worker.contracts.model.model_record import Bin, ClassFigures

EVALUATION_FILE = "evaluation.json"
SCHEMA = "stripwatch.evaluation/1"


class Interval(msgspec.Struct, frozen=True):
    """A measured value with its 95 % confidence interval."""

    value: float
    low: float
    high: float


class OperatingPoint(msgspec.Struct, frozen=True):
    """A threshold with the precision and recall of assigning the label at or above it, counted on validation frames.

    In multiclass a frame can only be assigned its best label. 0 / 0 counts as 0. reached: true if the requested
    precision or recall was met.
    """

    value: float
    precision: float
    recall: float
    reached: bool


class ChosenThreshold(msgspec.Struct, frozen=True):
    """The two thresholds of a label: at or above `unsure` it is suspected, at or above `sure` it is accepted."""

    unsure: OperatingPoint
    sure: OperatingPoint


class Calibration(msgspec.Struct, frozen=True):
    """Calibration of the scores by temperature scaling (Guo et al. 2017, https://arxiv.org/abs/1706.04599).

    temperature: the best fit on the validation frames. applied: the temperature written to the bundle; 1 if the
    validation frames hold too few errors to choose one. error: expected calibration error of the raw scores.
    error_scaled: the same after scaling with `temperature`. bins: the reliability diagram of the raw scores.
    """

    temperature: float
    applied: float
    error: float
    error_scaled: float
    bins: list[Bin]


class Localization(msgspec.Struct, frozen=True):
    """Localization counts over pairs of a frame and one of its annotated labels.

    pointing: pairs whose heatmap peak lies inside an annotation of the label (the pointing game, Zhang et al. 2016,
    https://arxiv.org/abs/1608.00507). boxes: pairs in which a box derived from the heatmap and an annotated box have
    an intersection over union of 0.5 or more. centre, whole: baselines that ignore the image content: the same counts
    for the image centre as peak, and for the whole image as box. first: pairs whose best box overlaps an annotated one
    that far. predicted, annotated: numbers of boxes. matched: predicted boxes that overlap an annotated box that far;
    each annotated box counts once. The last four are 0 in files of earlier versions.
    """

    pairs: int
    pointing: int
    boxes: int
    centre: int
    whole: int
    first: int = 0
    predicted: int = 0
    matched: int = 0
    annotated: int = 0

    def __add__(self, other: "Localization") -> "Localization":
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Localization(*(a + b for a, b in pairs))

    @property
    def shares(self) -> dict[str, float]:
        """Return each count of pairs as a share of the pairs, and precision and recall of the boxes, 0 to 1.

        Files of earlier versions have no figures for the best box, precision and recall, which are then left out.
        """
        names = ("pointing", "boxes", "centre", "whole")
        shares = {name: getattr(self, name) / self.pairs if self.pairs else 0.0 for name in names}
        if not self.annotated:
            return shares
        precision = self.matched / self.predicted if self.predicted else 0.0
        more = {"first": self.first / self.pairs, "precision": precision, "recall": self.matched / self.annotated}
        return shares | more

    @property
    def box_f1(self) -> float:
        """Return the F1 of the predicted boxes, 0 to 1: the harmonic mean of precision and recall."""
        boxes = self.predicted + self.annotated
        return 2 * self.matched / boxes if boxes else 0.0


NO_LOCALIZATION = Localization(0, 0, 0, 0, 0)


def total(counts: Mapping[str, Localization]) -> Localization:
    """Return the sum of the counts over all labels."""
    return sum(counts.values(), NO_LOCALIZATION)


class KindFigures(msgspec.Struct, frozen=True):
    """How an anomaly model finds one kind of defect.

    frames: with this kind of defect. auroc: of these frames and all clean ones; None without clean ones. found: share
    of these frames that the model reports.
    """

    frames: int
    auroc: float | None
    found: float


class AnomalyFigures(msgspec.Struct, frozen=True):
    """How an anomaly model separates clean frames from others.

    auroc: area under the ROC curve, the probability that a random defective frame has a higher score than a random
    clean one; None unless there are both. average_precision: of defective frames; None without any. found: share of
    defective frames that the model reports. false_alarms: share of clean frames that it reports. kinds: by label of the
    defects, which the model does not know; None in files of earlier versions and if no defect has a label.
    """

    clean: int
    defective: int
    auroc: float | None
    average_precision: float | None
    found: float | None
    false_alarms: float | None
    kinds: dict[str, KindFigures] | None = None


class Evaluation(msgspec.Struct, frozen=True):
    """Content of evaluation.json.

    measured_on: "validation" for the frames that also chose thresholds and temperature, "test" for other frames.
    macro_f1: None if no frame has a label and none is predicted. average_precision: by label; None for a label without
    frames. confusion: rows are true labels, columns are predicted labels; None in task multilabel. thresholds: by
    label, for scores scaled with the applied temperature; their precision and recall are those on validation frames.
    localisation: by label; None if no frame is annotated or the head has no heatmaps. novelty: None if the run has no
    novelty detector, and in files of earlier versions. files: files used and skipped in each folder, by its option.
    stress: what the model withstands; None if that was not measured. trained_on: number of frames that are training
    images of the run; earlier versions did not count them.
    """

    schema: str
    run_id: str
    model_sha256: str
    measured_on: str
    data: str
    data_sha256: str
    frames: int
    accuracy: Interval
    macro_f1: Interval | None
    classes: dict[str, ClassFigures]
    average_precision: dict[str, float | None]
    confusion: list[list[int]] | None
    calibration: Calibration
    thresholds: dict[str, ChosenThreshold]
    thresholds_chosen: str
    localisation: dict[str, Localization] | None = None
    novelty: NoveltyResults | None = None
    anomaly: AnomalyFigures | None = None
    files: dict[str, FileCounts] = msgspec.field(default_factory=dict)
    stress: StressResults | None = None
    trained_on: int = 0

    @property
    def untested_labels(self) -> list[str]:
        """Return the labels that none of the frames has."""
        return [label for label, figures in self.classes.items() if not figures.frames]


def write_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write evaluation.json to a run folder."""
    atomic_write(folder / EVALUATION_FILE, msgspec.json.format(msgspec.json.encode(evaluation)))


def read_evaluation(folder: Path, run: Run) -> Evaluation | None:
    """Return the evaluation in a run folder, or None if there is none.

    Raises InputError if the file is malformed or belongs to another model.
    """
    path = folder / EVALUATION_FILE
    if not path.exists():
        return None
    try:
        found = msgspec.json.decode(read_whole(path), type=Evaluation)
    except msgspec.MsgspecError as error:
        raise InputError(f"{path} is malformed: {error}; run 'evaluate' again") from error
    if found.model_sha256 != run.model_sha256:
        raise InputError(f"{path} belongs to another model than the one in {folder}; run 'evaluate' again")
    return found
