"""Cross-validation: each frame is scored once, by a model that it had no part in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np

from export.evaluation import Interval
from export.files import write_whole
from export.model import load_model
from export.runfolder import Run, Task, read_run
from training.children import check_flags, common_flags, fit_once, read_split_frames
from training.figures import answer, macro_f1, measure, share_interval
from training.material import deal
from training.scoring import Scored, score_frames
from training.split import fold_frames
from worker.bundle import ClassFigures
from worker.console import new_progress


@dataclass(frozen=True, slots=True)
class CrossvalSettings:
    """What the command was given. flags: passed on to each fit."""

    data: Path
    out: Path
    folds: int = 5
    seed: int = 0
    layout: str = "auto"
    task: Task = "multiclass"
    clean_label: str | None = None
    flags: Sequence[str] = ()


class CrossvalResult(msgspec.Struct, frozen=True):
    """crossval.json: over all frames, each scored by the one model that was not fitted on it.

    fold_accuracy: one a fold. wrong: names of the frames, with the truth and the answer.
    """

    frames: int
    errors: int
    accuracy: Interval
    macro_f1: Interval
    fold_accuracy: list[float]
    classes: dict[str, ClassFigures]
    wrong: list[tuple[str, str, str]]
    runs: list[str]


def cross_validate(settings: CrossvalSettings) -> CrossvalResult:
    """Fit every fold and score what it left out; goes on where it was stopped. Writes crossval.json.

    Of each fit the last epoch counts, without early stopping: the scored fold chooses neither epoch nor threshold nor
    temperature. Raises what fit raises, DataError for a class with fewer images than folds.
    """
    check_flags(settings.flags)
    frames, groups = read_split_frames(settings.data, settings.layout, settings.task, settings.clean_label)
    label_sets, every = [frame.labels for frame in frames], settings.task == "multiclass"
    parts = fold_frames(label_sets, groups, settings.folds, settings.seed, every)
    common = common_flags(settings.seed, settings.layout, settings.task, settings.clean_label)
    flags = ["--keep", "last", *common, *settings.flags]
    folders = [settings.out / f"fold-{number}" for number in range(1, settings.folds + 1)]
    for folder, part in zip(folders, parts, strict=True):
        fit_once(f"{folder.name} of {settings.folds}", folder, settings.data, deal(frames, part), flags)
    result = pool([_score(folder, settings.data) for folder in folders], settings.seed)
    write_whole(settings.out / "crossval.json", msgspec.json.format(msgspec.json.encode(result)))
    return result


def pool(folds: Sequence[tuple[Run, Scored]], seed: int) -> CrossvalResult:
    """One summary over the frames of all folds."""
    run = folds[0][0]
    task, labels = run.configuration.task, run.labels
    targets = np.concatenate([scored.targets for _, scored in folds])
    scores = np.concatenate([scored.scores for _, scored in folds])
    right = [scored.right(run) for run, scored in folds]
    said = answer(scores, task)
    frames = [frame for _, scored in folds for frame in scored.frames]
    wrong = np.flatnonzero(~np.concatenate(right))
    return CrossvalResult(
        frames=len(frames),
        errors=len(wrong),
        accuracy=share_interval(len(frames) - len(wrong), len(frames)),
        macro_f1=macro_f1(targets > 0, said, seed),
        fold_accuracy=[float(part.mean()) for part in right],
        classes=measure(labels, targets, scores, task).classes,
        wrong=[
            (frames[at].name, frames[at].label, "|".join(np.array(labels)[said[at]].tolist())) for at in wrong.tolist()
        ],
        runs=[run.run_id for run, _ in folds],
    )


def summarise(result: CrossvalResult) -> dict[str, Any]:
    accuracy, f1 = result.accuracy, result.macro_f1
    return {
        "frames": result.frames,
        "errors": result.errors,
        "accuracy": [round(limit, 4) for limit in (accuracy.value, accuracy.low, accuracy.high)],
        "macro_f1": [round(limit, 4) for limit in (f1.value, f1.low, f1.high)],
        "fold_accuracy": [round(value, 4) for value in result.fold_accuracy],
        "wrong": [name for name, _, _ in result.wrong],
    }


def _score(folder: Path, data: Path) -> tuple[Run, Scored]:
    run = read_run(folder)
    keras.backend.clear_session()
    with new_progress() as progress:
        return run, score_frames(load_model(folder), run, data, run.split.validation, progress)
