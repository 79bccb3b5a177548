"""evaluation.json in a run folder: how good the model is, and the thresholds chosen. Export does not read it yet."""

from pathlib import Path

import msgspec

from export.files import read_whole, write_whole
from export.runfolder import Run
from worker.bundle import ClassFigures
from worker.errors import InputError

EVALUATION_FILE = "evaluation.json"
SCHEMA = "stripwatch.evaluation/1"


class Interval(msgspec.Struct, frozen=True):
    """A figure and the limits it has in 95 % of repetitions."""

    value: float
    low: float
    high: float


class ChosenThreshold(msgspec.Struct, frozen=True):
    """A score at or above value settles the label; precision and recall are those on the validation frames.

    reached: whether the recall that was asked for could be had.
    """

    value: float
    precision: float
    recall: float
    reached: bool


class Bin(msgspec.Struct, frozen=True):
    """Answers of about the same confidence: how many, how sure on average, and what share of them is right."""

    answers: int
    confidence: float
    accuracy: float


class Calibration(msgspec.Struct, frozen=True):
    """error: expected calibration error (Guo et al. 2017); scaled: with the temperature that validation frames gave."""

    temperature: float
    error: float
    error_scaled: float
    bins: list[Bin]


class Evaluation(msgspec.Struct, frozen=True):
    """measured_on: "validation", the frames that also chose thresholds and temperature, or "test", others.

    average_precision: None for a label without frames. confusion: rows are true labels, columns answers; None in task
    multilabel. thresholds are of scores as the model gives them, without the temperature.
    """

    schema: str
    run_id: str
    model_sha256: str
    measured_on: str
    data: str
    data_sha256: str
    frames: int
    accuracy: Interval
    macro_f1: Interval
    classes: dict[str, ClassFigures]
    average_precision: dict[str, float | None]
    confusion: list[list[int]] | None
    calibration: Calibration
    thresholds: dict[str, ChosenThreshold]
    thresholds_chosen: str


def write_evaluation(folder: Path, evaluation: Evaluation) -> None:
    write_whole(folder / EVALUATION_FILE, msgspec.json.format(msgspec.json.encode(evaluation)))


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
