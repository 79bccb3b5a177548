"""Cross-validation: each frame is scored once, by a model that was not fitted on it."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
from sklearn.metrics import confusion_matrix

from stripwatch.export.reporting.confidence_intervals import share_interval
from stripwatch.export.results.run_evaluation import Localization, total
from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.keras_model import load_boxes, load_model
from stripwatch.export.runs.predicted_labels import predicted_labels
from stripwatch.export.runs.run_folder import Run, Task, read_run
from stripwatch.training.evaluation.command import rounded
from stripwatch.training.evaluation.evaluate import REPORT_FOLDER, evaluate, write_results
from stripwatch.training.evaluation.evaluation_report import REPORT_FILE
from stripwatch.training.evaluation.localization import measure_localization
from stripwatch.training.evaluation.novelty_evaluation import JudgingRun, NoveltyOptions, measure_novelty
from stripwatch.training.evaluation.predictions import ScoredFrames, score_frames
from stripwatch.training.evaluation.scores import macro_f1_interval, measure_scores
from stripwatch.training.experiments.crossval_page import crossval_page
from stripwatch.training.experiments.crossval_result import CrossvalResult, FoldResult, WrongFrame
from stripwatch.training.experiments.crossval_stress import FoldScores, measure_folds
from stripwatch.training.experiments.fit_subprocess import (
    check_earlier_fit,
    check_flags,
    common_flags,
    fit_words,
    is_finished,
    read_split_frames,
    run_fit,
)
from stripwatch.training.experiments.out_folder import require_own_folder
from stripwatch.training.experiments.preflight import PlannedFit, check_options
from stripwatch.training.novelty.measurement import NoveltyMeasurement
from stripwatch.training.novelty.report import novelty_summary
from stripwatch.training.preparation.prepared_data import apply_split
from stripwatch.training.preparation.stratified_split import fold_frames
from stripwatch.training.stress.report import stress_summary
from stripwatch.worker.common.errors import SettingsError, run_checks
from stripwatch.worker.common.folders import require_outside
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.terminal.console import new_progress
from stripwatch.worker.common.terminal.progress import one_step
from stripwatch.worker.images.image_files import list_images


@dataclass(frozen=True, slots=True)
class CrossvalSettings:
    """Settings of a cross-validation.

    flags: options passed to each fit. command: command line, for the page. unknown: folders of images that the model
    should not know. leave_one_out: leave out each class in turn. stress_frames: number of held-out frames of each fold
    that are changed on purpose to measure what the model withstands; 0 omits that.
    """

    data: Path
    out: Path
    folds: int = 5
    seed: int = 0
    layout: str = "auto"
    task: Task = "multiclass"
    clean_label: str | None = None
    flags: Sequence[str] = ()
    bit_depth: int | None = None
    command: str = ""
    merge_labels: bool = False
    unknown: tuple[Path, ...] = ()
    leave_one_out: bool = True
    stress_frames: int = 0


@dataclass(frozen=True, slots=True)
class Fold:
    """A fit and its results on the frames that were held out.

    places: localization counts by label. novelty: None if the run has no novelty detector.
    """

    run: Run
    scored: ScoredFrames
    places: dict[str, Localization] | None
    novelty: NoveltyMeasurement | None = None


def cross_validate(settings: CrossvalSettings) -> CrossvalResult:
    """Fit a model for each fold, score the held-out frames, and write crossval.json.

    Continues an interrupted cross-validation: finished folds are not repeated. The last epoch of each fit is used,
    without early stopping, so that the scored fold selects neither epoch nor thresholds nor temperature. Raises what
    fit raises, DataError for a class with fewer images than folds or a folder of unknown images with a frame of the
    data set, and SettingsError for such a folder if the runs have no novelty detector.
    """
    own_cache = settings.out / "features"  # the features of a frozen backbone are the same in every fold
    cache = cache_in(settings.flags)
    flags = _fit_flags(settings, own_cache if cache is None else None)
    folders = [settings.out / f"fold-{number}" for number in range(1, settings.folds + 1)]
    _check(settings, flags, folders)
    frames, groups = read_split_frames(
        settings.data, settings.layout, settings.task, settings.clean_label, settings.bit_depth, settings.merge_labels
    )
    label_sets, every = [frame.labels for frame in frames], settings.task == "multiclass"
    parts = fold_frames(label_sets, groups, settings.folds, settings.seed, every)
    splits = [apply_split(frames, part) for part in parts]
    run_checks(partial(check_earlier_fit, folder, flags, split) for folder, split in zip(folders, splits, strict=True))
    for folder, split in zip(folders, splits, strict=True):
        run_fit(f"{folder.name} of {settings.folds}", folder, settings.data, split, flags)
    numbers = {frame.name: number for frame, number in zip(frames, groups, strict=True)}
    options = NoveltyOptions(settings.unknown, settings.leave_one_out, cache or own_cache, numbers, held_only=True)
    scored = [_score(folder, settings.data, options) for folder in folders]
    novelty = pool_novelty(scored)
    result = pool(scored, settings.seed)
    if novelty is not None:
        result = msgspec.structs.replace(result, novelty=novelty.results())
    if settings.stress_frames:
        tested = [FoldScores(folder, fold.run, fold.scored) for folder, fold in zip(folders, scored, strict=True)]
        result = msgspec.structs.replace(result, stress=measure_folds(tested, settings.stress_frames))
    pictures = novelty.pictures() if novelty else {}
    atomic_write(settings.out / "crossval.json", msgspec.json.format(msgspec.json.encode(result)))
    atomic_write(settings.out / REPORT_FILE, crossval_page(result, scored[0].run, settings.command, pictures).encode())
    shutil.rmtree(own_cache, ignore_errors=True)
    return result


def _fit_flags(settings: CrossvalSettings, cache: Path | None) -> list[str]:
    """Return the options of each fit. cache: folder of the features, unless the options name one."""
    common = common_flags(
        settings.seed, settings.layout, settings.task, settings.clean_label, settings.bit_depth, settings.merge_labels
    )
    flags = ["--keep", "last", *common, *settings.flags]
    return flags if cache is None else [*flags, "--cache", str(cache)]


def _check(settings: CrossvalSettings, flags: Sequence[str], folders: Sequence[Path]) -> None:
    """Raise an error with everything that is wrong, before the images are read."""
    require_outside("--out", settings.out, [settings.data, *settings.unknown])
    require_own_folder(settings.out, "crossval")
    check_flags(settings.flags)
    fits = [PlannedFit("", fit_words(folder, settings.data, flags)) for folder in folders if not is_finished(folder)]
    run_checks(
        [
            *(partial(list_images, folder) for folder in settings.unknown),
            *(partial(check_earlier_fit, folder, flags) for folder in folders),
            *(partial(check_options, [fit]) for fit in fits[:1]),  # all fits have the same options
        ]
    )


def cache_in(flags: Sequence[str]) -> Path | None:
    """Return the value of --cache among the options of fit, or None."""
    for at, word in enumerate(flags):
        name, equals, value = word.partition("=")
        if name == "--cache":
            return Path(value if equals else flags[at + 1]) if equals or at + 1 < len(flags) else None
    return None


def pool_novelty(folds: Sequence[Fold]) -> NoveltyMeasurement | None:
    """Combine the novelty results of all folds, or return None if a run has no novelty detector."""
    found = [fold.novelty for fold in folds if fold.novelty is not None]
    return NoveltyMeasurement.pool(found) if len(found) == len(folds) else None


def pool(folds: Sequence[Fold], seed: int) -> CrossvalResult:
    """Combine the frames of all folds into one result."""
    run = folds[0].run
    task, labels = run.configuration.label_task, run.labels
    targets = np.concatenate([fold.scored.targets for fold in folds])
    scores = np.concatenate([fold.scored.scores for fold in folds])
    right = [fold.scored.right(fold.run) for fold in folds]
    predicted = predicted_labels(scores, task)
    frames = [frame for fold in folds for frame in fold.scored.frames]
    wrong = np.flatnonzero(~np.concatenate(right))
    confusion = None
    if task == "multiclass":
        confusion = confusion_matrix(targets.argmax(1), scores.argmax(1), labels=np.arange(len(labels))).tolist()
    return CrossvalResult(
        frames=len(frames),
        errors=len(wrong),
        accuracy=share_interval(len(frames) - len(wrong), len(frames)),
        macro_f1=macro_f1_interval(targets > 0, predicted, seed),
        fold_accuracy=[float(part.mean()) for part in right],
        classes=measure_scores(labels, targets, scores, task).classes,
        localisation=_add_up([fold.places for fold in folds if fold.places is not None]),
        wrong=[
            WrongFrame(frames[at].name, frames[at].label, "|".join(np.array(labels)[predicted[at]].tolist()))
            for at in wrong.tolist()
        ],
        runs=[fold.run.run_id for fold in folds],
        folds=[_fold_result(number, fold) for number, fold in enumerate(folds, 1)],
        confusion=confusion,
    )


def _fold_result(number: int, fold: Fold) -> FoldResult:
    right = fold.scored.right(fold.run)
    correct, frames = int(right.sum()), len(right)
    seconds = fold.run.seconds["total"]
    return FoldResult(f"fold-{number}", frames, frames - correct, share_interval(correct, frames), seconds)


def _add_up(counts: Sequence[dict[str, Localization]]) -> dict[str, Localization] | None:
    labels = sorted({label for count in counts for label in count})
    return {label: total({str(at): c[label] for at, c in enumerate(counts) if label in c}) for label in labels} or None


def summarize(result: CrossvalResult) -> dict[str, Any]:
    """Return the summary that the command prints as JSON."""
    accuracy, f1, places = result.accuracy, result.macro_f1, result.localisation
    return {
        "frames": result.frames,
        "errors": result.errors,
        "accuracy": rounded(accuracy),
        "macro_f1": f1 and rounded(f1),
        "fold_accuracy": [round(value, 4) for value in result.fold_accuracy],
        "wrong": [wrong.frame for wrong in result.wrong],
        "localisation": places and {name: round(share, 4) for name, share in total(places).shares.items()},
        "novelty": result.novelty and novelty_summary(result.novelty),
        "stress": result.stress and stress_summary(result.stress),
    }


def _score(folder: Path, data: Path, options: NoveltyOptions) -> Fold:
    """Score the held-out frames of a fold, judge its novelty detector, and write the report of its run."""
    run = read_run(folder)
    keras.backend.clear_session()
    model = load_model(folder)
    judging = JudgingRun.read(folder, run, model)
    if judging is None and options.unknown:
        raise SettingsError(
            f"--unknown: {path_text(folder)} has no novelty detector; choose another --out to fit again"
        )
    with new_progress() as progress:
        scored = score_frames(model, run, data, run.split.validation, progress)
        layout, predicted = run.configuration.layout, load_boxes(folder, run)
        places = measure_localization(model, run, scored, None, layout, progress, predicted=predicted)
        novelty = measure_novelty(judging, scored, None, options, progress) if judging else None
        out = folder / REPORT_FOLDER
        if not (out / REPORT_FILE).exists():  # keep the report of a person, who may have used other options
            with one_step(progress, "drawing the report"):
                write_results(folder, out, model, run, scored, evaluate(run, scored, scored, None, places))
    return Fold(run, scored, places, novelty)
