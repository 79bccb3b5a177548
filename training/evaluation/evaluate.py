"""`stripwatch train evaluate`: how good a finished run is, with thresholds for export and a report for people."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import confusion_matrix

from stripwatch.export.reporting.confidence_intervals import share_interval
from stripwatch.export.runs.files import make_folder
from stripwatch.export.runs.keras_model import load_model
from stripwatch.export.runs.predicted_labels import predicted_labels
from stripwatch.export.runs.run_evaluation import SCHEMA, Calibration, Evaluation, Localization, write_evaluation
from stripwatch.export.runs.run_folder import Run, read_run
from stripwatch.training.datasets.dataset import AUTO
from stripwatch.training.evaluation.calibration import applicable, expected_error, fit_temperature, reliability, scale
from stripwatch.training.evaluation.error_sheet import draw_error_sheet
from stripwatch.training.evaluation.evaluation_report import write_report
from stripwatch.training.evaluation.localization import measure_localization
from stripwatch.training.evaluation.plots import draw_plots
from stripwatch.training.evaluation.predictions import ScoredFrames, read_test_frames, score_frames
from stripwatch.training.evaluation.scores import average_precisions, macro_f1_interval, measure_scores
from stripwatch.training.evaluation.thresholds import choose_thresholds
from stripwatch.worker.common.console import new_progress
from stripwatch.worker.common.path_text import path_of, path_text


@dataclass(frozen=True, slots=True)
class EvaluateSettings:
    """What an evaluation is asked for; the fields are the options of `stripwatch train evaluate`.

    data: where the run's data folder is now. test: other frames to measure on. recall: what thresholds are chosen for;
    None takes the best F1. out: for pictures and report.html. boxes: what is marked on the frames; None takes what the
    run was fitted with.
    """

    run: Path
    data: Path | None = None
    test: Path | None = None
    recall: float | None = None
    out: Path | None = None
    boxes: Path | None = None


def evaluate_run(settings: EvaluateSettings) -> Evaluation:
    """Measure a finished run, and write evaluation.json, pictures and report.html.

    Not thread-safe: Keras belongs to the process.

    Args:
        settings: Which run, which frames, and where the report goes.

    Returns:
        The content of evaluation.json, with accuracy and macro-F1 and their intervals (0 to 1), calibration, and the
        thresholds per label.

    Raises:
        InputError: The run or a file is missing, or not what it was when the run was fitted.
        DataError: The test folder does not fit the run.

    Example:
        >>> from pathlib import Path
        >>> from stripwatch.training import EvaluateSettings, evaluate
        >>> evaluation = evaluate(EvaluateSettings(Path("runs/first"), recall=0.98))
        >>> evaluation.accuracy.value
        0.9861
    """
    run = read_run(settings.run)
    model = load_model(settings.run)
    with new_progress() as progress:
        root = settings.data or path_of(run.data)
        validation = score_frames(model, run, root, run.split.validation, progress)
        measured, layout = validation, run.configuration.layout
        if settings.test is not None:
            frames = read_test_frames(run, settings.test, progress)
            measured, layout = score_frames(model, run, settings.test, frames, progress), AUTO
        places = measure_localization(model, run, measured, settings.boxes, layout, progress)
    evaluation = evaluate(run, validation, measured, settings.recall, places)
    out = settings.out or settings.run / "evaluation"
    make_folder(out)
    pictures = draw_plots(run, measured, evaluation, settings.run)
    pictures["mistakes"] = draw_error_sheet(model, run, measured)
    write_report(out, run, evaluation, pictures)
    write_evaluation(settings.run, evaluation)
    return evaluation


def evaluate(
    run: Run,
    validation: ScoredFrames,
    measured: ScoredFrames,
    recall: float | None,
    places: dict[str, Localization] | None = None,
) -> Evaluation:
    """Thresholds and temperature come from validation, figures from measured, which may be the same."""
    task, targets, scores = run.configuration.task, measured.targets, measured.scores
    truth, predicted = targets > 0, predicted_labels(scores, task)
    temperature = fit_temperature(validation.targets, validation.scores, task)
    bins = reliability(targets, scores, task)
    scaled = reliability(targets, scale(scores, temperature, task), task)
    applied = applicable(temperature, validation.targets, validation.scores, task)
    confusion = None
    if task == "multiclass":
        every = np.arange(len(run.labels))
        confusion = confusion_matrix(targets.argmax(axis=1), scores.argmax(axis=1), labels=every).tolist()
    return Evaluation(
        schema=SCHEMA,
        run_id=run.run_id,
        model_sha256=run.model_sha256,
        measured_on="validation" if measured is validation else "test",
        data=path_text(measured.root.resolve()),
        data_sha256=measured.data_sha256,
        frames=len(targets),
        accuracy=share_interval(int(measured.right(run).sum()), len(targets)),
        macro_f1=macro_f1_interval(truth, predicted, run.configuration.seed),
        classes=measure_scores(run.labels, targets, scores, task).classes,
        average_precision=average_precisions(run.labels, targets, scores),
        confusion=confusion,
        calibration=Calibration(temperature, applied, expected_error(bins), expected_error(scaled), bins),
        thresholds=choose_thresholds(run.labels, validation.targets, validation.scores, task, recall, applied),
        thresholds_chosen="best F1 on validation" if recall is None else f"recall {recall:g} on validation",
        localisation=places,
    )
