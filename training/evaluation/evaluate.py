"""Evaluation of a finished run: metrics, calibration, thresholds for the export, and an HTML report."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import msgspec
import numpy as np
from sklearn.metrics import confusion_matrix

from stripwatch.export.reporting.confidence_intervals import share_interval
from stripwatch.export.results.run_evaluation import (
    SCHEMA,
    Calibration,
    ChosenThreshold,
    Evaluation,
    Localization,
    write_evaluation,
)
from stripwatch.export.runs.frames import find_data
from stripwatch.export.runs.keras_model import load_boxes, load_model
from stripwatch.export.runs.predicted_labels import predicted_labels
from stripwatch.export.runs.run_folder import Run, read_run
from stripwatch.training.datasets.dataset import AUTO, require_folder
from stripwatch.training.evaluation.anomaly_scores import Kinds, fixed_thresholds, measure_anomalies, read_kinds
from stripwatch.training.evaluation.calibration import applicable, expected_error, fit_temperature, reliability, scale
from stripwatch.training.evaluation.error_sheet import draw_error_sheet
from stripwatch.training.evaluation.evaluation_report import write_report
from stripwatch.training.evaluation.localization import measure_localization, require_annotations
from stripwatch.training.evaluation.novelty_evaluation import JudgingRun, NoveltyOptions, measure_novelty
from stripwatch.training.evaluation.plots import draw_plots
from stripwatch.training.evaluation.predictions import ScoredFrames, read_test_frames, score_frames
from stripwatch.training.evaluation.scores import average_precisions, macro_f1_interval, measure_scores
from stripwatch.training.evaluation.thresholds import choose_thresholds
from stripwatch.training.novelty.measurement import NoveltyMeasurement
from stripwatch.training.stress.measurement import (
    STRESS_FRAMES,
    choose_frames,
    measure_stress,
    say_duration,
    stressed_model,
)
from stripwatch.training.stress.plots import draw_stress
from stripwatch.training.stress.report import doubts
from stripwatch.worker.common.errors import SettingsError, run_checks
from stripwatch.worker.common.folders import make_folder, require_outside
from stripwatch.worker.common.path_text import path_of, path_text
from stripwatch.worker.common.terminal.console import new_progress, say
from stripwatch.worker.common.terminal.file_counts import FileCounts
from stripwatch.worker.common.terminal.progress import one_step
from stripwatch.worker.contracts.model.clean_labels import no_clean_verdict
from stripwatch.worker.images.image_files import list_images

REPORT_FOLDER = "evaluation"  # in the run folder


@dataclass(frozen=True, slots=True)
class EvaluateSettings:
    """Settings of an evaluation; the fields are the options of `stripwatch train evaluate`.

    data: current location of the run's data folder. test: folder with other frames to measure on. recall: recall that
    the `unsure` thresholds must reach; None chooses the best F1. out: folder for plots and report.html. boxes:
    annotations of the frames; None uses those of the fit. boxes_format: format of `boxes`, or "auto". unknown: folders
    of images that the model should not know. leave_one_out: leave out each class in turn. cache: folder in which
    features are kept for later evaluations. test_layout: layout of `test`, or "auto". stress_frames: number of frames
    that are changed on purpose to measure what the model withstands; 0 omits that.
    """

    run: Path
    data: Path | None = None
    test: Path | None = None
    recall: float | None = None
    out: Path | None = None
    boxes: Path | None = None
    boxes_format: str = AUTO
    unknown: tuple[Path, ...] = ()
    leave_one_out: bool = True
    cache: Path | None = None
    test_layout: str = AUTO
    stress_frames: int = STRESS_FRAMES


def evaluate_run(settings: EvaluateSettings) -> Evaluation:
    """Evaluate a finished run, and write evaluation.json, plots and report.html.

    Not thread-safe, because Keras keeps global state.

    Args:
        settings: The run, the frames to measure on, and the output folder.

    Returns:
        The content of evaluation.json, with accuracy and macro-F1 and their intervals (0 to 1), calibration, and the
        thresholds per label.

    Raises:
        InputError: The run or a file is missing, or has changed since the fit.
        DataError: The test folder is invalid, or has labels that the run does not know, or a folder of unknown images
            contains a frame of the run.
        SettingsError: `unknown` needs a novelty detector, or an option has no meaning for an anomaly model.

    Example:
        >>> from pathlib import Path
        >>> from stripwatch.training import EvaluateSettings, evaluate
        >>> evaluation = evaluate(EvaluateSettings(Path("runs/first"), recall=0.98))
        >>> evaluation.accuracy.value
        0.9861
    """
    run = read_run(settings.run)
    root = _check(settings, run)
    if warning := no_clean_verdict(run.configuration.label_task, run.labels, run.clean_label):
        say(f"warning: {warning}")
    out = settings.out or settings.run / REPORT_FOLDER
    make_folder(out)  # before the work, so that a wrong path costs no time
    files = {f"unknown {path_text(folder)}": list_images(folder).counts() for folder in settings.unknown}
    model = load_model(settings.run)
    judging = JudgingRun.read(settings.run, run, model)
    if run.anomaly is None:
        _check_detector(settings, judging)
    with new_progress() as progress:
        layout, tested = run.configuration.layout, None
        counts = {"validation": FileCounts(len(run.split.validation), {})}
        if settings.test is not None:  # before the slow steps
            layout = settings.test_layout
            tested, counts["test"] = read_test_frames(run, settings.test, layout, progress)
            del counts["validation"]
        validation = measured = score_frames(model, run, root, run.split.validation, progress)
        if settings.test is not None and tested is not None:
            measured = score_frames(model, run, settings.test, tested, progress)
        where = (settings.boxes, layout, progress, settings.boxes_format)
        predicted = load_boxes(settings.run, run)
        places = measure_localization(model, run, measured, *where, test=tested is not None, predicted=predicted)
        kinds = read_kinds(run, measured, layout) if run.anomaly is not None else None
        evaluation = msgspec.structs.replace(
            evaluate(run, validation, measured, settings.recall, places, kinds), files=counts | files
        )
        novelty = None
        if judging is not None:
            options = NoveltyOptions(settings.unknown, settings.leave_one_out, settings.cache)
            test = None if measured is validation else measured
            novelty = measure_novelty(judging, validation, test, options, progress)
            evaluation = msgspec.structs.replace(evaluation, novelty=novelty.results())
        if settings.stress_frames:
            stressed = stressed_model(settings.run, run, model, evaluation.thresholds, evaluation.calibration.applied)
            frames = choose_frames(measured.frames, settings.stress_frames)
            say_duration(stressed, measured.root, frames)
            stress = measure_stress(stressed, measured.root, frames, progress)
            evaluation = msgspec.structs.replace(evaluation, stress=stress)
            for doubt in doubts(stress, evaluation.untested_labels):
                say(f"warning: {doubt}")
        with one_step(progress, "drawing the report"):
            write_results(settings.run, out, model, run, measured, evaluation, novelty)
    return evaluation


def _check(settings: EvaluateSettings, run: Run) -> Path:
    """Return the data folder. Raises an error with everything that is wrong with options, folders and files."""
    inputs = [each for each in (settings.data, settings.test, *settings.unknown) if each is not None]
    for option, path in (("--out", settings.out), ("--cache", settings.cache)):
        require_outside(option, path, inputs)
    leaves_out = settings.leave_one_out and run.novelty is not None  # only this reads the training frames
    run_checks(
        [
            *([partial(_check_anomaly_options, settings)] if run.anomaly is not None else []),
            *([partial(require_folder, settings.test)] if settings.test is not None else []),
            *(partial(list_images, folder) for folder in settings.unknown),
            partial(require_annotations, run, settings.boxes, settings.test is not None),
            partial(find_data, run, settings.data, training=leaves_out),
        ]
    )
    return settings.data or path_of(run.data)


def _check_anomaly_options(settings: EvaluateSettings) -> None:
    """Raise SettingsError for an option without a meaning for an anomaly model."""
    if settings.recall is not None:
        raise SettingsError(
            "--recall has no meaning for an anomaly model, whose threshold is chosen on clean frames; omit it, or fit "
            "again with another --novelty-false-alarms"
        )
    if settings.unknown:
        raise SettingsError(
            "--unknown has no meaning for an anomaly model, to which every defect is unknown; pass these images as "
            "--test, together with clean ones"
        )
    if not settings.leave_one_out:
        raise SettingsError("--no-leave-one-out has no meaning for an anomaly model, which has no classes; omit it")
    if settings.cache is not None:
        raise SettingsError("--cache has no meaning for an anomaly model, which has no novelty detector; omit it")


def _check_detector(settings: EvaluateSettings, judging: JudgingRun | None) -> None:
    if judging is not None:
        return
    if settings.unknown:
        raise SettingsError(
            f"--unknown: {path_text(settings.run)} has no novelty detector; fit the model again with this version"
        )
    say("note: the run has no novelty detector, so its detection of unknown frames is not measured")


def write_results(
    folder: Path,
    out: Path,
    model: keras.Model,
    run: Run,
    measured: ScoredFrames,
    evaluation: Evaluation,
    novelty: NoveltyMeasurement | None = None,
) -> None:
    """Write plots and report.html to a folder, and evaluation.json to the run folder."""
    make_folder(out)
    pictures = draw_plots(run, measured, evaluation, folder)
    pictures["mistakes"] = draw_error_sheet(model, run, measured)
    if novelty is not None:
        pictures |= novelty.pictures()
    if evaluation.stress is not None:
        pictures["stress"] = draw_stress(evaluation.stress)
    write_report(out, run, evaluation, pictures)
    write_evaluation(folder, evaluation)


def evaluate(
    run: Run,
    validation: ScoredFrames,
    measured: ScoredFrames,
    recall: float | None,
    places: dict[str, Localization] | None = None,
    kinds: Sequence[Kinds] | None = None,
) -> Evaluation:
    """Compute the evaluation of a run.

    validation: frames that choose thresholds and temperature. measured: frames for all other figures; may be the same
    object as validation. places: localization counts by label. kinds: kinds of defects of each measured frame, [n],
    for an anomaly model.
    """
    task, targets, scores = run.configuration.label_task, measured.targets, measured.scores
    truth, predicted = targets > 0, predicted_labels(scores, task)
    anomaly = run.configuration.task == "anomaly"
    temperature = 1.0 if anomaly else fit_temperature(validation.targets, validation.scores, task)
    bins = reliability(targets, scores, task)
    scaled = reliability(targets, scale(scores, temperature, task), task)
    applied = 1.0 if anomaly else applicable(temperature, validation.targets, validation.scores, task)
    trained = {frame.sha256 for frame in run.split.train}
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
        thresholds=_thresholds(run, validation, recall, applied),
        thresholds_chosen=_how_chosen(run, recall),
        localisation=places,
        anomaly=measure_anomalies(targets, scores, kinds) if anomaly else None,
        trained_on=sum(frame.sha256 in trained for frame in measured.frames),
    )


def _thresholds(
    run: Run, validation: ScoredFrames, recall: float | None, temperature: float
) -> dict[str, ChosenThreshold]:
    if run.configuration.task == "anomaly":
        return fixed_thresholds(run.labels, validation.targets, validation.scores)
    task = run.configuration.label_task
    return choose_thresholds(run.labels, validation.targets, validation.scores, task, recall, temperature)


def _how_chosen(run: Run, recall: float | None) -> str:
    if run.anomaly is not None:
        return run.anomaly.threshold_chosen
    return "best F1 on validation" if recall is None else f"recall {recall:g} on validation"
