"""Cross-validation: each frame is scored once, by a model that was not fitted on it."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
from sklearn.metrics import confusion_matrix

from stripwatch.export.reporting.confidence_intervals import share_interval
from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.keras_model import load_model
from stripwatch.export.runs.predicted_labels import predicted_labels
from stripwatch.export.runs.run_evaluation import Localization, total
from stripwatch.export.runs.run_folder import Run, Task, read_run
from stripwatch.training.evaluation.command import rounded
from stripwatch.training.evaluation.evaluate import REPORT_FOLDER, evaluate, write_results
from stripwatch.training.evaluation.evaluation_report import REPORT_FILE
from stripwatch.training.evaluation.localization import measure_localization
from stripwatch.training.evaluation.predictions import ScoredFrames, score_frames
from stripwatch.training.evaluation.scores import macro_f1_interval, measure_scores
from stripwatch.training.experiments.crossval_page import crossval_page
from stripwatch.training.experiments.crossval_result import CrossvalResult, FoldResult, WrongFrame
from stripwatch.training.experiments.fit_subprocess import check_flags, common_flags, read_split_frames, run_fit
from stripwatch.training.preparation.prepared_data import apply_split
from stripwatch.training.preparation.stratified_split import fold_frames
from stripwatch.worker.common.folders import require_outside
from stripwatch.worker.common.terminal.console import new_progress
from stripwatch.worker.common.terminal.progress import one_step


@dataclass(frozen=True, slots=True)
class CrossvalSettings:
    """Settings of a cross-validation. flags: options passed to each fit. command: command line, for the page."""

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


@dataclass(frozen=True, slots=True)
class Fold:
    """A fit and its results on the frames that were held out. places: localization counts by label."""

    run: Run
    scored: ScoredFrames
    places: dict[str, Localization] | None


def cross_validate(settings: CrossvalSettings) -> CrossvalResult:
    """Fit a model for each fold, score the held-out frames, and write crossval.json.

    Continues an interrupted cross-validation: finished folds are not repeated. The last epoch of each fit is used,
    without early stopping, so that the scored fold selects neither epoch nor thresholds nor temperature. Raises what
    fit raises, and DataError for a class with fewer images than folds.
    """
    require_outside("--out", settings.out, [settings.data])
    check_flags(settings.flags)
    frames, groups = read_split_frames(
        settings.data, settings.layout, settings.task, settings.clean_label, settings.bit_depth, settings.merge_labels
    )
    label_sets, every = [frame.labels for frame in frames], settings.task == "multiclass"
    parts = fold_frames(label_sets, groups, settings.folds, settings.seed, every)
    common = common_flags(
        settings.seed, settings.layout, settings.task, settings.clean_label, settings.bit_depth, settings.merge_labels
    )
    flags = ["--keep", "last", *common, *settings.flags]
    folders = [settings.out / f"fold-{number}" for number in range(1, settings.folds + 1)]
    cache = settings.out / "features"  # the features of a frozen backbone are the same in every fold
    if "--cache" not in settings.flags:
        flags += ["--cache", str(cache)]
    for folder, part in zip(folders, parts, strict=True):
        run_fit(f"{folder.name} of {settings.folds}", folder, settings.data, apply_split(frames, part), flags)
    scored = [_score(folder, settings.data) for folder in folders]
    result = pool(scored, settings.seed)
    atomic_write(settings.out / "crossval.json", msgspec.json.format(msgspec.json.encode(result)))
    atomic_write(settings.out / REPORT_FILE, crossval_page(result, scored[0].run, settings.command).encode())
    shutil.rmtree(cache, ignore_errors=True)
    return result


def pool(folds: Sequence[Fold], seed: int) -> CrossvalResult:
    """Combine the frames of all folds into one result."""
    run = folds[0].run
    task, labels = run.configuration.task, run.labels
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
    }


def _score(folder: Path, data: Path) -> Fold:
    """Score the held-out frames of a fold, and write the report of its run."""
    run = read_run(folder)
    keras.backend.clear_session()
    model = load_model(folder)
    with new_progress() as progress:
        scored = score_frames(model, run, data, run.split.validation, progress)
        places = measure_localization(model, run, scored, None, run.configuration.layout, progress)
        out = folder / REPORT_FOLDER
        if not (out / REPORT_FILE).exists():  # keep the report of a person, who may have used other options
            with one_step(progress, "drawing the report"):
                write_results(folder, out, model, run, scored, evaluate(run, scored, scored, None, places))
    return Fold(run, scored, places)
