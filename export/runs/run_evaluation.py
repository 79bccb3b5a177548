"""evaluation.json in a run folder: how good the model is, and the thresholds that its bundle will have."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from stripwatch.export.runs.files import atomic_write, read_whole
from stripwatch.export.runs.run_folder import Run
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.model.bundle import Bin, ClassFigures

EVALUATION_FILE = "evaluation.json"
SCHEMA = "stripwatch.evaluation/1"


class Interval(msgspec.Struct, frozen=True):
    """A figure and the limits it has in 95 % of repetitions."""

    value: float
    low: float
    high: float


class OperatingPoint(msgspec.Struct, frozen=True):
    """A score, and the precision and recall of calling the label at or above it, counted on the validation frames.

    In multiclass a frame can be called its best label alone. 0 for 0 / 0. reached: whether what was asked for could be
    had.
    """

    value: float
    precision: float
    recall: float
    reached: bool


class ChosenThreshold(msgspec.Struct, frozen=True):
    """From unsure on the label is suspected, from sure on it is taken as a fact."""

    unsure: OperatingPoint
    sure: OperatingPoint


class Calibration(msgspec.Struct, frozen=True):
    """error: expected calibration error (Guo et al. 2017); scaled: with the temperature that validation frames gave.

    applied: the temperature that the bundle will have; 1 where validation holds too few mistakes to choose one by.
    """

    temperature: float
    applied: float
    error: float
    error_scaled: float
    bins: list[Bin]


class Localization(msgspec.Struct, frozen=True):
    """Counts over pairs of a frame and one of its labels that is marked on it.

    pointing: the heatmap's peak lies inside a mark of the label (the pointing game, Zhang et al. 2016). boxes: a box
    derived from the heatmap and one around a mark have an intersection over union of 0.5 or more. centre, whole: the
    same for the middle of the image, and for the whole image as box: what knows nothing of the image.
    """

    pairs: int
    pointing: int
    boxes: int
    centre: int
    whole: int

    def __add__(self, other: "Localization") -> "Localization":
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Localization(*(a + b for a, b in pairs))

    @property
    def shares(self) -> dict[str, float]:
        """Of the pairs, without their number."""
        names = ("pointing", "boxes", "centre", "whole")
        return {name: getattr(self, name) / self.pairs if self.pairs else 0.0 for name in names}


NO_LOCALIZATION = Localization(0, 0, 0, 0, 0)


def total(counts: Mapping[str, Localization]) -> Localization:
    """Over all labels."""
    return sum(counts.values(), NO_LOCALIZATION)


class Evaluation(msgspec.Struct, frozen=True):
    """measured_on: "validation", the frames that also chose thresholds and temperature, or "test", others.

    macro_f1: None where no frame has a label and none is given one. average_precision: None for a label without frames.
    confusion: rows are true labels, columns answers; None in task multilabel. thresholds are of scores with the
    temperature that is applied, and their figures of validation. localisation: a label; None where nothing is marked,
    or the head has no heatmaps.
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


def write_evaluation(folder: Path, evaluation: Evaluation) -> None:
    atomic_write(folder / EVALUATION_FILE, msgspec.json.format(msgspec.json.encode(evaluation)))


def read_evaluation(folder: Path, run: Run) -> Evaluation | None:
    """The evaluation of a run; None where there is none. Raises InputError when it is of another model or malformed."""
    path = folder / EVALUATION_FILE
    if not path.exists():
        return None
    try:
        found = msgspec.json.decode(read_whole(path), type=Evaluation)
    except msgspec.MsgspecError as error:
        raise InputError(f"{path} is malformed: {error}; evaluate the run again") from error
    if found.model_sha256 != run.model_sha256:
        raise InputError(f"{path} is of another model than {folder}: evaluate the run again")
    return found
